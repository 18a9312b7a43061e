//! What goes to the agent, and when.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use repower_agent_core::{BatchLimits, Moment, Session};
use repower_model::Span;
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::{FromExecutor, LinkReports, Standing};
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::tasks::alarm::Alarm;
use crate::tasks::token::Token;
use crate::tasks::wire;
use crate::{clock, frame};

/// The shortest time between two messages of reports. The first one after a pause goes at once, so
/// this delays nobody when little happens, and makes messages few when much does.
const GATHER: Span = Span::from_millis(4);

/// The same while [`PLENTY`] of tasks wait here, so that the node does not run out of work meanwhile:
/// each message costs the scheduler a commit.
const GATHER_MORE: Span = Span::from_millis(12);

/// How many waiting tasks are plenty.
const PLENTY: usize = 16;

/// How long an executor that nobody needs waits for an agent.
const ALONE: Span = Span::from_secs(60);

/// Room that a buffer keeps although nothing is in it.
const KEPT: usize = 256 << 10;

/// What goes to the agent, and when.
#[derive(Debug)]
pub(in crate::tasks) struct Outgoing {
    pub(super) writer: Writer,
    /// The number of the agent's link to the scheduler; 0: there is none.
    link: u64,
    /// When the scheduler was last heard.
    pub(super) heard: Moment,
    /// When reports were sent last; `None`: none can be, for there is no link.
    sent: Option<Moment>,
    /// Whether each change of standing is told.
    watch: bool,
    pub(super) leaving: bool,
    pub(super) told: Option<Standing>,
    /// Since when there is no agent.
    alone: Moment,
    /// Whether this executor ends as soon as it has no tasks.
    pub(super) ending: bool,
    pub(super) alarm: Alarm,
}

/// A link to the scheduler: each agent counts its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tasks) struct LinkId {
    connection: u64,
    pub(in crate::tasks) number: u64,
}

#[cfg(test)]
impl LinkId {
    /// One of the first agent.
    pub(in crate::tasks) fn of_first(number: u64) -> Self {
        Self { connection: 1, number }
    }
}

/// Bytes on their way to the agent.
#[derive(Debug)]
pub(super) struct Writer {
    /// The number of the connection.
    number: u64,
    socket: Option<UnixStream>,
    /// At most one message of reports, and what answers the agent.
    buffer: Vec<u8>,
    written: usize,
    /// Whether the epoll set knows the socket.
    entered: bool,
}

impl Outgoing {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            writer: Writer::new(0, None),
            link: 0,
            heard: Moment::default(),
            sent: None,
            watch: false,
            leaving: false,
            told: None,
            alone: clock::now().steady,
            ending: false,
            alarm: Alarm::new()?,
        })
    }

    /// An agent has said who it is.
    pub(super) fn attach(&mut self, watch: bool) {
        (self.watch, self.leaving, self.ending, self.told) = (watch, false, false, None);
    }

    /// There is no agent any more; returns when the last one has heard the scheduler.
    pub(super) fn detach(&mut self) -> Moment {
        self.writer = Writer::new(0, None);
        (self.link, self.sent, self.watch, self.told) = (0, None, false, None);
        self.alone = clock::now().steady;
        self.heard
    }

    pub(super) fn link_up(&mut self, link: u64, heard: Moment) {
        (self.link, self.heard, self.told) = (link, heard, None);
        self.sent = Some(Moment::default());
    }

    pub(super) fn link_down(&mut self, contact: Moment) {
        (self.link, self.heard, self.sent, self.told) = (0, contact, None, None);
    }

    /// The link that can be told now what tasks say; `None`: there is none, or it is behind.
    pub(in crate::tasks) fn link_for_claims(&self) -> Option<LinkId> {
        let id = LinkId { connection: self.writer.number, number: self.link };
        (self.link != 0 && self.writer.is_ready()).then_some(id)
    }

    /// The agent is to end.
    pub(super) fn leave(&mut self) {
        (self.leaving, self.told) = (true, None);
    }

    pub(in crate::tasks) fn tell(&mut self, body: Up) {
        frame::append(&FromExecutor { body: Some(body) }, &mut self.writer.buffer);
    }

    /// Adds what comes next if all before it is written; returns whether there was anything.
    pub(super) fn add(&mut self, session: &mut Session, standing: Standing, now: Moment) -> bool {
        if !self.writer.is_open() || !self.writer.is_done() {
            return false;
        }
        if self.wants(standing) {
            self.told = Some(standing);
            self.tell(Up::Standing(standing));
            return true;
        }
        if self.gate(session).is_none_or(|gate| gate > now) {
            return false;
        }
        let Some(batch) = session.next_batch(&BatchLimits::default()) else {
            return false;
        };
        let reports = Some(wire::reports(&batch));
        self.tell(Up::Reports(LinkReports { link: self.link, reports }));
        self.sent = Some(now);
        true
    }

    /// No reports before this; `None`: none at all.
    pub(super) fn gate(&self, session: &Session) -> Option<Moment> {
        let gather = if session.waiting() >= PLENTY { GATHER_MORE } else { GATHER };
        self.sent.map(|sent| sent + gather)
    }

    /// Whether the agent has to hear how this executor stands.
    fn wants(&self, standing: Standing) -> bool {
        let Some(told) = self.told else {
            return true;
        };
        let is_asked = self.watch || self.leaving || self.link == 0;
        told != standing && (is_asked || told.lease_lost != standing.lease_lost)
    }

    /// When this executor ends because nobody needs it, if it stays as it is.
    pub(super) fn over(&self, standing: Standing) -> Option<Moment> {
        if self.writer.is_open() {
            return None;
        }
        if self.ending && standing.idle {
            return Some(self.alone);
        }
        standing.settled.then(|| self.alone + ALONE)
    }
}

impl Writer {
    pub(super) fn new(number: u64, socket: Option<UnixStream>) -> Self {
        Self { number, socket, buffer: Vec::new(), written: 0, entered: false }
    }

    /// Whether there is somebody to write to.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether there is somebody, and nothing on its way to them.
    pub(super) fn is_ready(&self) -> bool {
        self.is_open() && self.is_done()
    }

    /// Whether all is written.
    fn is_done(&self) -> bool {
        self.written == self.buffer.len()
    }

    /// Writes as far as there is room. What cannot be written any more is dropped, and noticed where
    /// the agent is read.
    pub(super) fn flush(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        while let Some(socket) = &self.socket
            && self.written < self.buffer.len()
        {
            match send(socket, &self.buffer[self.written..], SendFlags::NOSIGNAL) {
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return self.wait(epoll),
                Err(errno) => {
                    (self.buffer, self.written) = (Vec::new(), 0);
                    return Err(errno.into());
                }
            }
        }
        self.buffer.clear();
        self.written = 0;
        self.buffer.shrink_to(KEPT);
        Ok(())
    }

    /// Waits for room.
    fn wait(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let (token, once) = (Token::Outgoing(self.number), EventFlags::OUT | EventFlags::ONESHOT);
        if self.entered {
            epoll::modify(epoll, socket, token.pack(), once)?;
        } else {
            epoll::add(epoll, socket, token.pack(), once)?;
            self.entered = true;
        }
        Ok(())
    }
}
