//! One moment at which a thread is woken.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use repower_agent_core::Moment;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// One moment at which a thread is woken, on the clock that counts suspended time.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: OwnedFd,
    /// What it is set to.
    at: Option<Moment>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { timer, at: None })
    }

    /// Sets it; `None`: not at all. A moment that has passed wakes at once.
    pub(super) fn set(&mut self, at: Option<Moment>) {
        if self.at == at {
            return;
        }
        // An all-zero time would switch it off.
        let ms = at.map_or(0, |at| at.as_millis().max(1));
        let value = Timespec {
            tv_sec: i64::try_from(ms / 1000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ms % 1000 * 1_000_000).unwrap_or(0),
        };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let time = Itimerspec { it_interval: never, it_value: value };
        match timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &time) {
            Ok(_) => self.at = at,
            Err(errno) => {
                let error = io::Error::from(errno);
                tracing::error!(%error, "cannot set a timer");
            }
        }
    }

    /// It went off: it has to be set again.
    pub(super) fn went_off(&mut self) {
        self.at = None;
        // How often it went off does not matter.
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.timer, &mut count);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
