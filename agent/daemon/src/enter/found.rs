//! A process that is surely the one that is meant, although its number may be another's tomorrow.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::stat::Stat;

/// A process that was found by its number.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pid: i32,
    /// Readable when it has ended.
    pub(super) process: OwnedFd,
}

impl Found {
    /// The process of this number, if it is the one that was started then; `None`: nobody has said when.
    pub(super) fn find(pid: i32, start_ticks: Option<u64>) -> io::Result<Self> {
        let process = pidfd_open(Pid::from_raw(pid).ok_or_else(gone)?, PidfdFlags::empty())?;
        // Read after it was opened: if it is the one that is meant, it had the number before.
        let stat = Stat::of(pid).ok_or_else(gone)?;
        if start_ticks.is_some_and(|wanted| wanted != stat.start_ticks) {
            return Err(gone());
        }
        Ok(Self { pid, process })
    }

    /// Its first child: the task itself, if this is the first process of a box.
    pub(super) fn first_child(&self) -> io::Result<Self> {
        let pid = self.pid;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let first = children.split_whitespace().next().and_then(|first| first.parse().ok());
        let child = Self::find(first.ok_or_else(gone)?, None)?;
        let is_it = Stat::of(child.pid).is_some_and(|stat| stat.parent == pid);
        if is_it { Ok(child) } else { Err(gone()) }
    }

    /// Makes sure that it has not ended: then its number has been its own all the while.
    pub(super) fn check(&self) -> io::Result<()> {
        if has_ended(&self.process) { Err(gone()) } else { Ok(()) }
    }
}

/// Whether a process has ended.
pub(super) fn has_ended(process: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut set = [PollFd::new(process, PollFlags::IN)];
    poll(&mut set, Some(&now)).is_ok_and(|count| count > 0)
}

fn gone() -> io::Error {
    Errno::SRCH.into()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_not_taken_for_another_of_the_same_number() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = Stat::of(pid).unwrap().start_ticks;

        let found = Found::find(pid, Some(started)).unwrap();
        let other = Found::find(pid, Some(started - 1)).unwrap_err();

        assert_eq!(other.raw_os_error(), Some(libc::ESRCH));
        found.check().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(found.check().unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert!(Found::find(pid, Some(started)).is_err(), "it has ended");
    }

    #[test]
    fn the_first_child_is_found_as_long_as_it_is_one() {
        let mut shell =
            Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        let found = Found::find(pid, None).unwrap();
        // Nothing tells when it has started another: it is asked.
        let child = loop {
            if let Ok(child) = found.first_child() {
                break child;
            }
            std::thread::yield_now();
        };

        assert_eq!(Stat::of(child.pid).unwrap().parent, pid);
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(found.first_child().is_err(), "both have ended");
    }
}
