//! One connection of a task to a place: what comes at one end is carried to the other, both ways.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_keepalive, set_socket_linger, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_nodelay,
    socket_error,
};
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, connect, getpeername, send,
    shutdown, socket_with,
};

/// How much is carried one way before others get their turn.
const TURN: usize = 256 << 10;
/// Who says nothing for so long is asked whether it is still there, and then as often: a task that has closed its end
/// looks like one that waits, until the kernel has forgotten that end, too.
const SILENCE: Duration = Duration::from_secs(30);

/// One connection of a task to a place.
#[derive(Debug)]
pub(super) struct Line {
    inside: OwnedFd,
    outside: OwnedFd,
    /// Until when the place has to answer; `None`: it has.
    until: Option<Duration>,
    there: Way,
    back: Way,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing can be done until something happens at one of its ends.
    Waits,
    /// There is more to do.
    Again,
    /// It is over.
    Over,
}

/// What goes one way.
#[derive(Debug, Default)]
struct Way {
    /// What was read and could not be written yet, from `at` on.
    rest: Vec<u8>,
    at: usize,
    flow: Flow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Flow {
    #[default]
    Open,
    /// No more comes; what is left is to be written.
    Ended,
    /// The same, and it was torn off.
    Torn,
    /// The other side has been told that no more comes, or does not want to know.
    Closed,
}

impl Line {
    /// Begins to connect to a place for what has come from inside.
    pub(super) fn begin(inside: OwnedFd, to: SocketAddr, until: Duration) -> io::Result<Self> {
        match prepare(&inside).and_then(|()| dial(to)) {
            Ok(outside) => {
                let (there, back) = (Way::default(), Way::default());
                Ok(Self { inside, outside, until: Some(until), there, back })
            }
            Err(errno) => {
                reset(&inside);
                Err(errno.into())
            }
        }
    }

    /// Both ends, to wait for.
    pub(super) fn ends(&self) -> [BorrowedFd<'_>; 2] {
        [self.inside.as_fd(), self.outside.as_fd()]
    }

    /// Until when the place has to answer.
    pub(super) fn until(&self) -> Option<Duration> {
        self.until
    }

    /// Carries what there is.
    pub(super) fn carry(&mut self, buffer: &mut [u8]) -> Turn {
        if self.until.is_some() {
            match answer(&self.outside) {
                Ok(false) => return Turn::Waits,
                Ok(true) => self.until = None,
                Err(error) => {
                    tracing::debug!(%error, "a task cannot reach a place");
                    self.tear();
                    return Turn::Over;
                }
            }
        }
        let there = self.there.carry(&self.inside, &self.outside, buffer);
        let back = self.back.carry(&self.outside, &self.inside, buffer);
        if self.there.is_torn() || self.back.is_torn() {
            self.tear();
            return Turn::Over;
        }
        if self.there.flow == Flow::Closed && self.back.flow == Flow::Closed {
            return Turn::Over;
        }
        if there || back { Turn::Again } else { Turn::Waits }
    }

    /// The task is over: what it has sent is still carried, and nothing back.
    pub(super) fn leave(&mut self) {
        self.back = Way { flow: Flow::Closed, ..Way::default() };
    }

    /// Both sides are told that it was no good end.
    pub(super) fn tear(&self) {
        reset(&self.inside);
        reset(&self.outside);
    }
}

impl Way {
    /// Carries as much as there is and fits, up to a turn; returns whether there may be more at once.
    fn carry(&mut self, from: &OwnedFd, into: &OwnedFd, buffer: &mut [u8]) -> bool {
        let mut carried = 0;
        loop {
            if self.at < self.rest.len() {
                match put(into, &self.rest[self.at..]) {
                    Ok(0) => return false,
                    Ok(count) => self.at += count,
                    Err(_) => self.give_up(),
                }
                continue;
            }
            // What was held for a slow reader is not held for its next idle hour.
            (self.rest, self.at) = (Vec::new(), 0);
            match self.flow {
                Flow::Open => {}
                Flow::Ended => {
                    // Who is gone need not be told.
                    let _ = shutdown(into, Shutdown::Write);
                    self.flow = Flow::Closed;
                    return false;
                }
                Flow::Torn | Flow::Closed => return false,
            }
            if carried >= TURN {
                return true;
            }
            match rustix::io::read(from, &mut *buffer) {
                Ok(0) => self.flow = Flow::Ended,
                Ok(count) => {
                    carried += count;
                    match put(into, &buffer[..count]) {
                        Ok(put) => self.rest.extend_from_slice(&buffer[put..count]),
                        Err(_) => self.give_up(),
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_) => self.flow = Flow::Torn,
            }
        }
    }

    /// Nobody takes it any more. What the other way still brings is let through.
    fn give_up(&mut self) {
        *self = Self { flow: Flow::Closed, ..Self::default() };
    }

    /// Whether it was torn off, and all before that has been passed on.
    fn is_torn(&self) -> bool {
        self.flow == Flow::Torn && self.rest.is_empty()
    }
}

/// Writes what fits now; 0: nothing does.
fn put(into: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    loop {
        match send(into, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(0),
            done => return done,
        }
    }
}

/// Each write of one side is one on the other, too, and who is gone is noticed.
fn prepare(end: &OwnedFd) -> rustix::io::Result<()> {
    set_tcp_nodelay(end, true)?;
    set_socket_keepalive(end, true)?;
    set_tcp_keepidle(end, SILENCE)?;
    set_tcp_keepintvl(end, SILENCE)
}

/// Begins to connect.
fn dial(to: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let outside = socket_with(family, SocketType::STREAM, flags, None)?;
    prepare(&outside)?;
    match connect(&outside, &to) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(outside),
        Err(errno) => Err(errno),
    }
}

/// Whether a place has answered; an error: it has not, and will not.
fn answer(outside: &OwnedFd) -> io::Result<bool> {
    socket_error(outside)??;
    match getpeername(outside) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whoever is at the other end will see that the connection was reset, when this end is closed.
pub(super) fn reset(end: &OwnedFd) {
    // One that is reset already cannot be, and need not.
    let _ = set_socket_linger(end, Some(Duration::ZERO));
}
