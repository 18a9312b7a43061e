//! Tasks as processes: launched, read, signalled, reaped and cleaned up after.
//!
//! A few equal threads share one epoll set, in which each running task has a pidfd and the reading
//! ends of its two pipes, each armed for one event at a time. Whichever thread takes an event
//! decides with the session and acts at once: the thread that reaps a task launches the next one, so
//! that no slot waits for another thread to wake up. All state is behind one lock, which is never
//! held while a process is launched or a folder is cleared.

mod child;
mod exit;
mod failure;
mod folders;
mod gang;
mod launch;
mod leftovers;
mod ownfile;
mod prepared;
mod shortage;
mod state;
mod threads;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_agent_core::{Input, Limits, Session};
use repower_model::Resources;
use rustix::event::{EventfdFlags, epoll, eventfd};
use tokio::sync::Notify;

use crate::{Error, clock};

pub(crate) use leftovers::kill_leftovers;
use prepared::Jobs;
use state::State;
pub(crate) use threads::Threads;

/// The token of the wake-up in the epoll set; those of tasks are above.
const WAKE: u64 = 0;

/// What tasks are told about their node.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The node's name.
    pub(crate) name: String,
    /// By which a process is known as one of this agent's.
    pub(crate) mark: String,
}

/// All tasks of this agent.
#[derive(Debug)]
pub(crate) struct Tasks {
    state: Mutex<State>,
    jobs: Jobs,
    epoll: OwnedFd,
    wake: OwnedFd,
    /// There are reports to send, or no tasks any more, or the end is near.
    pub(crate) news: Notify,
    /// There is an earlier moment to wake at.
    pub(crate) alarm: Notify,
    no_exec: bool,
}

impl Tasks {
    /// No tasks yet, in a cleared folder for their files.
    pub(crate) fn new(
        capacity: Resources,
        limits: Limits,
        about: About,
        folder: &Path,
        no_exec: bool,
    ) -> Result<Arc<Self>, Error> {
        let refused =
            |what| move |errno: rustix::io::Errno| Error::System { what, source: errno.into() };
        let unusable = |source| Error::DataFolder { path: folder.into(), source };
        let slots = capacity.cpus.as_milli() / 1000;
        raise_open_files(slots);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(refused("an epoll set"))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(refused("an event descriptor"))?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), flags)
            .map_err(refused("an entry in an epoll set"))?;
        let folders = folders::Folders::new(&folder.join("work")).map_err(unusable)?;
        let jobs = Jobs::new(&folder.join("scripts"), about).map_err(unusable)?;
        Ok(Arc::new(Self {
            state: Mutex::new(State::new(Session::new(capacity, limits), folders)),
            jobs,
            epoll,
            wake,
            news: Notify::new(),
            alarm: Notify::new(),
            no_exec,
        }))
    }

    /// Tells the session what has happened.
    pub(crate) fn tell(&self, inputs: impl IntoIterator<Item = Input<'static>>) {
        let mut state = self.lock();
        for input in inputs {
            self.apply(&mut state, input);
        }
        if state.has_launches() || !state.used.is_empty() {
            self.wake();
        }
    }

    /// Asks the session.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&mut Session) -> T) -> T {
        question(self.lock().session())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has broken nothing that another could not go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `input` to the session, performs what it asks for, and wakes whom it concerns.
    fn apply(&self, state: &mut State, input: Input<'_>) {
        let had_unsent = state.session().has_unsent();
        let was_idle = state.session().is_idle();
        let before = state.session().wake_at();
        state.handle(input, clock::now(), self);
        let has_news = !had_unsent && state.session().has_unsent();
        let is_over = !was_idle && state.session().is_idle();
        if has_news || is_over {
            self.news.notify_one();
        }
        let after = state.session().wake_at();
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.alarm.notify_one();
        }
    }

    /// Makes one of the threads look for launches.
    fn wake(&self) {
        if let Err(errno) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            // The counter is full only if nobody has looked for 2^64 wake-ups.
            tracing::error!(error = %io::Error::from(errno), "cannot wake a thread");
        }
    }
}

/// Allows as many open files as the slots can need: three for each task, and some for the agent.
///
/// Never above the hard limit; a task that finds none left is reported as not started.
fn raise_open_files(slots: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = slots.saturating_mul(8).saturating_add(256);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limit.maximum.map_or(needed, |most| most.min(needed)));
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current, ..limit }) {
        tracing::warn!(error = %io::Error::from(errno), needed, "cannot raise the limit of open files");
    }
}
