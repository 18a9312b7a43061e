//! The agent that is attached: what it says, and what it is told.
//!
//! Whichever thread takes an event of its socket reads or writes; nothing here blocks. There is one
//! hop to the agent for a batch of orders, and one for a batch of reports.

mod outgoing;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use repower_agent_core::{Input, Limits, Moment};
use repower_model::{Artefact, Instance, JobId, RankId};
use repower_proto::convert;
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::to_executor::Body as Down;
use repower_proto::v1::{
    Attach, Greeting, Holding, Inherited, Running, Standing, Succession, ToExecutor,
};
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

pub(super) use self::outgoing::LinkId;
use self::outgoing::{Outgoing, Writer};
use super::token::Token;
use super::{About, Tasks, wire};
use crate::frame::{self, Frames};
use crate::{clock, place, version};

/// How much is read of an agent before others get their turn.
const TURN: usize = 4 << 20;

/// The agent that is attached, if any.
#[derive(Debug)]
pub(super) struct Relay {
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
}

/// What comes from the agent.
#[derive(Debug, Default)]
struct Incoming {
    /// The number of the connection: each has another one, never 0.
    number: u64,
    socket: Option<UnixStream>,
    frames: Frames,
    /// Whether it has said who it is.
    attached: bool,
}

impl Relay {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { incoming: Mutex::default(), outgoing: Mutex::new(Outgoing::new()?) })
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the alarm into an epoll set.
    pub(super) fn watch_alarm(&self, epoll: &std::os::fd::OwnedFd) -> rustix::io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(epoll, &self.outgoing().alarm, Token::Timer.pack(), flags)
    }
}

/// What ends a connection.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it has closed the connection")]
    Closed,
    #[error("it cannot be read from or written to")]
    Io { source: io::Error },
    #[error("it sends what is no message")]
    Malformed { source: frame::Malformed },
    #[error("it has not said who it is first, or twice")]
    OutOfTurn,
    #[error("it speaks protocol {theirs} and not {}", version::PROTOCOL)]
    Protocol { theirs: u32 },
    #[error("it does not say how tasks are to run")]
    Unclear { source: convert::ConvertError },
}

impl Tasks {
    /// Lets an agent in. One that is attached already stays, and the other is sent away.
    pub(crate) fn admit(&self, socket: UnixStream) {
        match place::is_own(&socket) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("another user has tried to attach: sent away");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "somebody has tried to attach, and nobody knows who");
                return;
            }
        }
        let mut incoming = self.relay.incoming();
        if incoming.attached && incoming.socket.as_ref().is_some_and(is_open) {
            tracing::warn!("a second agent has tried to attach: sent away");
            return;
        }
        self.detach(&mut incoming);
        if let Err(error) = self.connect(&mut incoming, socket) {
            tracing::error!(%error, "cannot talk to an agent");
            self.detach(&mut incoming);
        }
    }

    fn connect(&self, incoming: &mut Incoming, socket: UnixStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let twin = socket.try_clone()?;
        incoming.number += 1;
        incoming.frames = Frames::default();
        let once = EventFlags::IN | EventFlags::ONESHOT;
        epoll::add(&self.epoll, &socket, Token::Incoming(incoming.number).pack(), once)?;
        incoming.socket = Some(socket);
        let mut outgoing = self.relay.outgoing();
        outgoing.writer = Writer::new(incoming.number, Some(twin));
        outgoing.tell(Up::Greeting(Greeting {
            protocol: version::PROTOCOL,
            version: self.version.clone(),
            instance: self.instance().0.to_vec(),
            project_users: true,
        }));
        outgoing.writer.flush(&self.epoll)
    }

    /// There is no agent any more. The lease counts from when the last one has heard the scheduler.
    fn detach(&self, incoming: &mut Incoming) {
        incoming.socket = None;
        incoming.frames = Frames::default();
        incoming.attached = false;
        let mut outgoing = self.relay.outgoing();
        let contact = outgoing.detach();
        drop(outgoing);
        self.tell([Input::LinkDown { contact }]);
    }

    /// The agent of this number has said something, or is gone.
    pub(super) fn hear(&self, number: u64, buffer: &mut [u8]) {
        let mut incoming = self.relay.incoming();
        if incoming.number != number || incoming.socket.is_none() {
            return;
        }
        if let Err(broken) = self.listen(&mut incoming, buffer) {
            match &broken {
                Broken::Closed => tracing::info!("the agent is gone"),
                Broken::Io { .. }
                | Broken::Malformed { .. }
                | Broken::OutOfTurn
                | Broken::Protocol { .. }
                | Broken::Unclear { .. } => {
                    let cause = std::error::Error::source(&broken).map(ToString::to_string);
                    tracing::warn!(%broken, cause, "the agent is sent away");
                }
            }
            self.detach(&mut incoming);
        }
    }

    fn listen(&self, incoming: &mut Incoming, buffer: &mut [u8]) -> Result<(), Broken> {
        let mut read = 0;
        while read < TURN {
            let Some(socket) = &incoming.socket else { return Ok(()) };
            match rustix::io::read(socket, &mut *buffer) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => {
                    read += count;
                    incoming.frames.push(&buffer[..count]);
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => break,
                Err(Errno::CONNRESET) => return Err(Broken::Closed),
                Err(errno) => return Err(Broken::Io { source: errno.into() }),
            }
            while let Some(message) =
                incoming.frames.next().map_err(|source| Broken::Malformed { source })?
            {
                self.take(message, &mut incoming.attached)?;
            }
        }
        let once = EventFlags::IN | EventFlags::ONESHOT;
        let Some(socket) = &incoming.socket else { return Ok(()) };
        epoll::modify(&self.epoll, socket, Token::Incoming(incoming.number).pack(), once)
            .map_err(|errno| Broken::Io { source: errno.into() })
    }

    /// Does what one message asks for.
    fn take(&self, message: ToExecutor, attached: &mut bool) -> Result<(), Broken> {
        let Some(body) = message.body else {
            // What a later build asks for is not known here, and is no reason to be without an agent.
            tracing::debug!("the agent asks for what this executor does not know");
            return if *attached { Ok(()) } else { Err(Broken::OutOfTurn) };
        };
        if *attached == matches!(body, Down::Attach(_)) {
            return Err(Broken::OutOfTurn);
        }
        match body {
            Down::Attach(attach) => {
                self.attach(attach)?;
                *attached = true;
            }
            Down::TellHeld(_) => {
                let held = self.ask(|session| session.held().map(Into::into).collect());
                self.relay.outgoing().tell(Up::Holding(Holding { held }));
            }
            Down::TellRunning(_) => {
                let processes = self.lock().running();
                self.relay.outgoing().tell(Up::Running(Running { processes }));
            }
            Down::TellWatched(asked) => {
                let watched = self.lock().watched(&asked.known);
                self.relay.outgoing().tell(Up::Watched(watched));
            }
            Down::Forbidden(forbidden) => self.forbidden.replace(forbidden),
            Down::Noticed(noticed) => {
                let noticed =
                    wire::noticed(noticed).map_err(|source| Broken::Unclear { source })?;
                self.tell([Input::Noticed(Box::new(noticed))]);
            }
            Down::LinkUp(link) => {
                let heard = Moment::from_millis(link.heard_ms);
                self.relay.outgoing().link_up(link.link, heard);
                self.tell([Input::LinkUp(wire::terms(&link)), Input::Heard(heard)]);
                self.lock().hasten_claims(clock::now().steady);
            }
            Down::LinkDown(link) => {
                let contact = Moment::from_millis(link.heard_ms);
                self.relay.outgoing().link_down(contact);
                self.tell([Input::LinkDown { contact }]);
            }
            Down::Orders(orders) => self.tell(orders.orders.into_iter().filter_map(wire::input)),
            Down::Heard(heard) => {
                let moment = Moment::from_millis(heard.heard_ms);
                self.relay.outgoing().heard = moment;
                self.tell([
                    Input::HoldOutput(heard.hold_output),
                    Input::Heard(moment),
                    Input::Acknowledged(heard.through),
                ]);
            }
            Down::Leave(_) => {
                self.relay.outgoing().leave();
                self.tell([Input::Leave]);
            }
            Down::End(end) => self.end(end.if_settled),
            Down::FindProcess(find) => {
                let unclear = |source| Broken::Unclear { source };
                let attempt = convert::present("attempt", find.attempt).map_err(unclear)?;
                let process = self.lock().way_in(attempt.into());
                self.relay.outgoing().tell(Up::Process(process));
            }
            Down::Staged(staged) => {
                let job = JobId(staged.job);
                self.lock().wanted.staged(job, &staged.digests);
                self.tell([Input::Staged(job)]);
            }
            Down::NotStaged(told) => {
                let (job, detail) = (JobId(told.job), told.detail);
                self.tell([Input::NotStaged { job, detail }]);
            }
            Down::CheckpointFetched(fetched) => {
                let unclear = |source| Broken::Unclear { source };
                let attempt = convert::present("attempt", fetched.attempt).map_err(unclear)?;
                let (attempt, problem) = (RankId::from(attempt), fetched.problem);
                self.lock().checkpoints.fetched(attempt);
                self.tell([if problem.is_empty() {
                    Input::Restored(attempt)
                } else {
                    let detail =
                        format!("what the task has saved cannot be brought here: {problem}");
                    Input::NotStarted { attempt, detail }
                }]);
            }
            Down::CheckpointSaved(saved) => {
                let (attempt, kept) = saved.read().map_err(|source| Broken::Unclear { source })?;
                self.lock().checkpoints.saved(attempt);
                self.tell([Input::Saved { attempt, kept }]);
            }
            Down::Collected(collected) => {
                let unclear = |source| Broken::Unclear { source };
                let attempt = convert::present("attempt", collected.attempt).map_err(unclear)?;
                let artefacts = collected.artefacts.into_iter().map(Artefact::try_from);
                let artefacts = artefacts.collect::<Result<_, _>>().map_err(unclear)?;
                let (attempt, missing) = (RankId::from(attempt), collected.missing);
                self.lock().wanted.collected(attempt);
                self.tell([Input::Collected { attempt, artefacts, missing }]);
            }
        }
        Ok(())
    }

    /// An agent says who it is and how tasks are to run.
    fn attach(&self, attach: Attach) -> Result<(), Broken> {
        if attach.protocol != version::PROTOCOL {
            return Err(Broken::Protocol { theirs: attach.protocol });
        }
        let unclear = |source| Broken::Unclear { source };
        let capacity = convert::present("capacity", attach.capacity).map_err(unclear)?;
        let capacity = convert::amounts(capacity);
        super::raise_open_files(capacity.cpus.as_milli() / 1000);
        let limits = Limits {
            bytes: usize::try_from(attach.backlog_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        if let Some(succession) = attach.succession {
            let instance = convert::instance("succession", &succession.instance);
            self.succeed(instance.map_err(unclear)?, succession.next);
        }
        self.jobs.configure(
            About { name: attach.node, folder: attach.folder },
            attach.environment.into_iter().map(variable).collect(),
        );
        let engine = Some(attach.engine).filter(|path| !path.is_empty());
        self.crew.configure(engine.map(|path| OsString::from_vec(path).into()));
        self.no_exec.store(attach.no_exec, std::sync::atomic::Ordering::Release);
        self.task_pids.store(attach.task_pids, std::sync::atomic::Ordering::Release);
        self.relay.outgoing().attach(attach.watch);
        tracing::info!(version = attach.version, "an agent has attached");
        {
            let mut state = self.lock();
            let state = &mut *state;
            state.wanted.repeat();
            state.checkpoints.wishes().for_each(|wish| state.wanted.say(wish));
        }
        self.tell([Input::Attached { capacity, limits }]);
        Ok(())
    }

    /// Goes on where another executor has come to rest.
    fn succeed(&self, instance: Instance, next: u64) {
        *self.instance.lock().unwrap_or_else(PoisonError::into_inner) = instance;
        self.ask(|session| session.succeed(next));
    }

    fn instance(&self) -> Instance {
        *self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends this executor, or tells the agent why not.
    fn end(&self, if_settled: bool) {
        if !if_settled {
            return self.orphans.end();
        }
        let next = self.ask(|session| session.is_settled().then(|| session.next_sequence()));
        let mut outgoing = self.relay.outgoing();
        let Some(next) = next else {
            outgoing.told = None;
            return;
        };
        let instance = self.instance().0.to_vec();
        outgoing.tell(Up::Succession(Succession { instance, next }));
        if let Err(error) = outgoing.writer.flush(&self.epoll) {
            tracing::warn!(%error, "the agent does not hear that its executor ends");
        }
        self.orphans.end();
    }

    /// Tells the agent what there is to tell, and sets the alarm for what comes next. Every thread
    /// does so whenever it has done something.
    pub(super) fn report(&self) {
        let mut outgoing = self.relay.outgoing();
        loop {
            if let Err(error) = outgoing.writer.flush(&self.epoll) {
                // The reading side notices, too, and detaches.
                tracing::debug!(%error, "cannot write to the agent");
            }
            let now = clock::now().steady;
            let mut state = self.lock();
            if outgoing.writer.is_ready()
                && let Some(wish) = state.wanted.next_wish()
            {
                outgoing.tell(wish);
                continue;
            }
            let session = state.session();
            let standing = Standing {
                idle: session.is_idle(),
                settled: session.is_settled(),
                lease_lost: session.has_lost_lease(),
                leaving: outgoing.leaving,
            };
            if outgoing.add(session, standing, now) {
                continue;
            }
            let gate = outgoing.gate(session).filter(|gate| session.has_unsent() && *gate > now);
            let wake = session.wake_at();
            let look = state.look_at;
            drop(state);
            let over = outgoing.over(standing);
            if over.is_some_and(|at| at <= now) {
                return self.orphans.end();
            }
            return outgoing.alarm.set([gate, wake, over, look].into_iter().flatten().min());
        }
    }

    /// The alarm went off.
    pub(super) fn wake_up(&self) {
        self.relay.outgoing().alarm.went_off();
        let now = clock::now().steady;
        if self.ask(|session| session.wake_at().is_some_and(|at| at <= now)) {
            self.tell([Input::Timer]);
        }
        self.look_at_claims();
    }

    /// Somebody wants this process to end. If there is an agent, that is its business.
    pub(super) fn told_to_end(&self) {
        let mut outgoing = self.relay.outgoing();
        if outgoing.writer.is_open() {
            tracing::info!("asked to end by a signal: the agent decides");
            return;
        }
        tracing::info!("asked to end by a signal: stopping tasks");
        outgoing.ending = true;
        drop(outgoing);
        self.tell([Input::Leave]);
    }
}

fn variable(one: Inherited) -> (OsString, OsString) {
    (OsString::from_vec(one.name), OsString::from_vec(one.value))
}

/// Whether the other end has not closed a connection.
fn is_open(socket: &UnixStream) -> bool {
    let mut one = [0; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    !matches!(rustix::net::recv(socket, &mut one, flags), Ok((_, 0)) | Err(Errno::CONNRESET))
}
