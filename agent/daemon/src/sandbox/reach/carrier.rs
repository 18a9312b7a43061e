//! The thread that carries bytes between one task and its places.
//!
//! One thread a task, whatever it connects to; it waits for all of its sockets at once, and none of them blocks it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::line::{Line, Turn, reset};
use crate::clock;

/// The most connections of one task at a time.
pub(super) const CONNECTIONS: usize = 128;
/// The most connections of all tasks at a time.
const ALL: usize = 2048;
/// The most files that all of this has open, as far as connections go, and some for listeners.
pub(super) const MOST_FILES: u64 = 2 * ALL as u64 + 4096;
/// How long the way to a place may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what a task has sent before its end may take to be carried.
const AFTERMATH: Duration = Duration::from_secs(5);
/// How long to wait when the system has no room for one more connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections are taken in at one place before others get their turn.
const GUESTS: usize = 32;
/// How much is read at once.
const CHUNK: usize = 16 << 10;
/// What the thread has for its stack.
const STACK: usize = 128 << 10;
/// The number by which the bell is known; listeners are known by theirs, from 0, lines by theirs, from `LINES`.
const BELL: u64 = u64::MAX;
const LINES: u64 = 1 << 32;

/// The thread that carries bytes between one task and its places; it ends soon after this.
#[derive(Debug)]
pub(super) struct Carrier(Arc<Bell>);

/// What the thread is told.
#[derive(Debug)]
pub(super) struct Bell {
    rope: OwnedFd,
    over: AtomicBool,
    cut: AtomicBool,
}

impl Carrier {
    /// Starts it.
    pub(super) fn start(listeners: Vec<(TcpListener, SocketAddr)>) -> io::Result<Self> {
        let rope = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (over, cut) = (AtomicBool::new(false), AtomicBool::new(false));
        let bell = Arc::new(Bell { rope, over, cut });
        let mut desk = Desk::new(Arc::clone(&bell), listeners)?;
        // Nobody waits for it: what it works on is closed, and then it ends.
        let thread = thread::Builder::new().name("carrier".into()).stack_size(STACK);
        thread.spawn(move || desk.work())?;
        Ok(Self(bell))
    }

    /// Whether connections are ended, and each that comes.
    pub(super) fn cut(&self, cut: bool) {
        self.0.cut.store(cut, Ordering::Release);
        self.0.ring();
    }

    /// Shows whether anything is left of it.
    #[cfg(test)]
    pub(super) fn watch(&self) -> std::sync::Weak<Bell> {
        Arc::downgrade(&self.0)
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        self.0.ring();
    }
}

impl Bell {
    fn ring(&self) {
        if let Err(errno) = rustix::io::write(&self.rope, &1_u64.to_ne_bytes()) {
            // The counter is full only if nobody has looked for 2^64 rings.
            tracing::error!(error = %io::Error::from(errno), "cannot wake a thread");
        }
    }
}

/// What the thread has.
#[derive(Debug)]
struct Desk {
    bell: Arc<Bell>,
    epoll: OwnedFd,
    listeners: Vec<(TcpListener, SocketAddr)>,
    lines: BTreeMap<u64, (Line, Seat)>,
    next: u64,
    /// Numbers of those that have more to do than one turn.
    again: BTreeSet<u64>,
    /// When to try again to take connections in.
    retry: Option<Duration>,
    /// When it ends at the latest.
    end: Option<Duration>,
    buffer: Vec<u8>,
}

impl Desk {
    fn new(bell: Arc<Bell>, listeners: Vec<(TcpListener, SocketAddr)>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &bell.rope, EventData::new_u64(BELL), flags)?;
        for (number, (listener, _)) in (0..).zip(&listeners) {
            epoll::add(&epoll, listener, EventData::new_u64(number), flags)?;
        }
        Ok(Self {
            bell,
            epoll,
            listeners,
            lines: BTreeMap::new(),
            next: LINES,
            again: BTreeSet::new(),
            retry: None,
            end: None,
            buffer: vec![0; CHUNK],
        })
    }

    /// Carries until the task is over.
    fn work(&mut self) {
        let mut events = Vec::with_capacity(64);
        loop {
            self.heed();
            let now = clock::uptime();
            if self.end.is_some_and(|end| self.lines.is_empty() || end <= now) {
                return;
            }
            self.give_up(now);
            let wait = self.wait(now);
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, wait.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    let error = io::Error::from(errno);
                    return tracing::error!(%error, "cannot wait for the connections of a task");
                }
            }
            let mut turns = std::mem::take(&mut self.again);
            turns.extend(events.iter().map(|event| event.data.u64()));
            for number in turns {
                self.serve(number);
            }
        }
    }

    /// Does what the bell has been rung for.
    fn heed(&mut self) {
        if self.bell.over.load(Ordering::Acquire) && self.end.is_none() {
            // What a task has begun just before its end waits in there, with what was sent on it.
            for number in (0..).take(self.listeners.len()) {
                self.again.insert(number);
                while self.again.remove(&number) {
                    self.take_in(number);
                }
            }
            self.listeners.clear();
            self.lines.values_mut().for_each(|(line, _)| line.leave());
            self.again = self.lines.keys().copied().collect();
            self.end = Some(clock::uptime() + AFTERMATH);
        }
        if self.bell.cut.load(Ordering::Acquire) {
            for (line, _) in std::mem::take(&mut self.lines).into_values() {
                line.tear();
            }
        }
    }

    /// How long to wait for something to happen; `None`: for ever.
    fn wait(&self, now: Duration) -> Option<Timespec> {
        let answers = self.lines.values().filter_map(|(line, _)| line.until());
        let next = answers.chain(self.retry).chain(self.end).min();
        let left = if self.again.is_empty() { next?.saturating_sub(now) } else { Duration::ZERO };
        // Not before the moment, so that it has come when the wait is over.
        let left = left + Duration::from_nanos(u64::from(!left.is_zero()));
        let tv_sec = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        Some(Timespec { tv_sec, tv_nsec: left.subsec_nanos().into() })
    }

    /// Ends what has waited for too long.
    fn give_up(&mut self, now: Duration) {
        if self.retry.is_some_and(|retry| retry <= now) {
            self.retry = None;
            self.again.extend((0..).take(self.listeners.len()));
        }
        self.lines.retain(|_, (line, _)| {
            let is_late = line.until().is_some_and(|until| until <= now);
            if is_late {
                tracing::debug!("a place does not answer a task");
                line.tear();
            }
            !is_late
        });
    }

    fn serve(&mut self, number: u64) {
        if number < LINES {
            return self.take_in(number);
        }
        let Some((line, _)) = self.lines.get_mut(&number) else { return };
        match line.carry(&mut self.buffer) {
            Turn::Waits => {}
            Turn::Again => {
                self.again.insert(number);
            }
            Turn::Over => {
                self.lines.remove(&number);
            }
        }
    }

    /// Takes in what has come to one place.
    fn take_in(&mut self, number: u64) {
        let Some(at) = usize::try_from(number).ok().filter(|at| *at < self.listeners.len()) else {
            return;
        };
        for _ in 0..GUESTS {
            let (listener, to) = &self.listeners[at];
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(inside) => self.welcome(inside, *to),
                Err(Errno::AGAIN) => return,
                // It is gone before it was taken in.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => {
                    let error = io::Error::from(errno);
                    tracing::debug!(%error, "a connection of a task cannot be taken in");
                    self.retry = Some(clock::uptime() + PAUSE);
                    return;
                }
            }
        }
        self.again.insert(number);
    }

    fn welcome(&mut self, inside: OwnedFd, to: SocketAddr) {
        if self.bell.cut.load(Ordering::Acquire) {
            return reset(&inside);
        }
        let seat = Some(()).filter(|()| self.lines.len() < CONNECTIONS).and_then(|()| Seat::take());
        let Some(seat) = seat else {
            tracing::debug!(%to, "a task has too many connections: one more is ended");
            return reset(&inside);
        };
        let line = match Line::begin(inside, to, clock::uptime() + PATIENCE) {
            Ok(line) => line,
            Err(error) => return tracing::debug!(%to, %error, "a task cannot reach a place"),
        };
        let number = self.next;
        self.next += 1;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for end in line.ends() {
            if let Err(errno) = epoll::add(&self.epoll, end, EventData::new_u64(number), flags) {
                let error = io::Error::from(errno);
                tracing::warn!(%error, "cannot wait for a connection of a task");
                return line.tear();
            }
        }
        self.lines.insert(number, (line, seat));
    }
}

/// One of the connections that may be open at a time.
#[derive(Debug)]
struct Seat;

static SEATS: AtomicUsize = AtomicUsize::new(0);

impl Seat {
    fn take() -> Option<Self> {
        let more = |taken| (taken < ALL).then_some(taken + 1);
        SEATS.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        SEATS.fetch_sub(1, Ordering::AcqRel);
    }
}
