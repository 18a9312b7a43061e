//! Tasks as processes: launched, read, signalled, reaped and cleaned up after.
//!
//! A few equal threads share one epoll set, in which each running task has a pidfd and the reading
//! ends of its two pipes, each armed for one event at a time. Whichever thread takes an event
//! decides with the session and acts at once: the thread that reaps a task launches the next one, so
//! that no slot waits for another thread to wake up. What takes its time is done by threads of their
//! own. All state is behind one lock, which is never held while a process is launched, inputs are
//! copied, a task is frozen or a folder is cleared; it is held while an ended task is killed to the last
//! process and its output is read.

mod admitted;
mod alarm;
mod boxes;
mod checkpoints;
mod child;
mod contained;
mod crew;
mod door;
mod exit;
mod failure;
mod files;
mod folders;
mod forbidden;
mod gang;
mod gpus;
mod inherited;
mod launch;
mod leftovers;
mod orphans;
mod ownfile;
mod prepared;
mod progress;
mod relay;
mod shortage;
mod state;
mod still;
mod threads;
mod token;
mod wire;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_agent_core::{Input, Limits, Session};
use repower_model::{Instance, Resources};
use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::sandbox::Host;
use crate::{Error, clock, environment, inventory, sandbox};

pub(crate) use door::Door;
pub(crate) use gpus::EXTRA;
pub(crate) use leftovers::{kill_leftovers, wait_for_end};
use orphans::Orphans;
use prepared::Jobs;
pub(crate) use progress::FILE as PROGRESS_FILE;
use relay::Relay;
use state::State;
pub(crate) use threads::Threads;
use token::Token;

/// What tasks are told about their node.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The node's name.
    pub(crate) name: String,
    /// The mark of the data folder.
    pub(crate) folder: String,
}

/// All tasks of a node.
#[derive(Debug)]
pub(crate) struct Tasks {
    state: Mutex<State>,
    jobs: Jobs,
    /// What holds tasks.
    host: Host,
    relay: Relay,
    door: Door,
    orphans: Orphans,
    /// What tasks read from.
    nothing: File,
    epoll: OwnedFd,
    wake: OwnedFd,
    instance: Mutex<Instance>,
    /// The build of this program.
    version: String,
    no_exec: AtomicBool,
    /// The most processes of a task whose job does not say; 0: no limit.
    task_pids: AtomicU32,
    /// Where the agent puts inputs.
    cache: PathBuf,
    /// Has containers made and removed.
    crew: crew::Crew,
    /// Programs that must not run.
    forbidden: forbidden::Forbidden,
    /// What tasks without a group that counts their memory seem to have had.
    inherited: inherited::Inherited,
    /// The data folder.
    data: PathBuf,
}

impl Tasks {
    /// No tasks yet, in a cleared folder for their files, and no agent, without which none can come.
    pub(crate) fn new(folder: &Path, door: Door, version: String) -> Result<Arc<Self>, Error> {
        let refused =
            |what| move |errno: rustix::io::Errno| Error::System { what, source: errno.into() };
        let failed = |what| move |source| Error::System { what, source };
        let unusable = |source| Error::DataFolder { path: folder.into(), source };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(refused("an epoll set"))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(refused("an event descriptor"))?;
        let relay = Relay::new().map_err(failed("a timer"))?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &wake, Token::Wake.pack(), flags)
            .and_then(|()| relay.watch_alarm(&epoll))
            .and_then(|()| door.watch(&epoll))
            .map_err(refused("an entry in an epoll set"))?;
        let folders = folders::Folders::new(&folder.join("work")).map_err(unusable)?;
        let checkpoints = checkpoints::Checkpoints::open(folder).map_err(unusable)?;
        let own = environment::random_mark()?;
        let jobs = Jobs::new(&folder.join("scripts"), own).map_err(unusable)?;
        if rustix::process::geteuid().is_root() {
            for name in ["work", "scripts", "checkpoints"] {
                crate::folder::let_through(&folder.join(name)).map_err(unusable)?;
            }
        }
        let session = Session::new(Resources::default(), Limits::default());
        Ok(Arc::new(Self {
            state: Mutex::new(State::new(session, folders, checkpoints)),
            jobs,
            host: Host::new(folder, &sandbox::name_of(folder)).map_err(inventory::no_host)?,
            relay,
            door,
            orphans: Orphans::new().map_err(failed("an event descriptor"))?,
            nothing: File::open("/dev/null").map_err(failed("/dev/null"))?,
            epoll,
            wake,
            instance: Mutex::new(Instance(environment::random()?)),
            version,
            no_exec: AtomicBool::new(false),
            task_pids: AtomicU32::new(0),
            cache: folder.join(crate::files::CACHE),
            crew: crew::Crew::default(),
            forbidden: forbidden::Forbidden::default(),
            inherited: inherited::Inherited::default(),
            data: folder.into(),
        }))
    }

    /// Where agents come in.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// By which processes are known as those of this executor, if there can be any.
    pub(crate) fn mark(&self) -> Option<String> {
        self.jobs.mark()
    }

    /// Tells the session what has happened. For the threads only: they launch what is to be launched.
    fn tell(&self, inputs: impl IntoIterator<Item = Input<'static>>) {
        let mut state = self.lock();
        for input in inputs {
            self.apply(&mut state, input);
        }
    }

    /// Asks the session.
    fn ask<T>(&self, question: impl FnOnce(&mut Session) -> T) -> T {
        question(self.lock().session())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has broken nothing that another could not go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `input` to the session and performs what it asks for.
    fn apply(&self, state: &mut State, input: Input<'_>) {
        state.handle(input, clock::now(), self);
    }

    fn no_exec(&self) -> bool {
        self.no_exec.load(Ordering::Acquire)
    }

    /// Makes one of the threads look for launches.
    fn wake(&self) {
        if let Err(errno) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            // The counter is full only if nobody has looked for 2^64 wake-ups.
            tracing::error!(error = %io::Error::from(errno), "cannot wake a thread");
        }
    }
}

/// Allows as many open files as the slots can need: three for each task, nine for its control group, and some
/// for the agent.
///
/// Never above the hard limit; a task that finds none left is reported as not started.
fn raise_open_files(slots: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = slots.saturating_mul(16).saturating_add(256);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limit.maximum.map_or(needed, |most| most.min(needed)));
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current, ..limit }) {
        tracing::warn!(error = %io::Error::from(errno), needed, "cannot raise the limit of open files");
    }
}
