//! What the lock guards: the session, the running processes, and what waits to be launched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use repower_agent_core::{Action, Definition, Input, Moment, Now, Session, Signal, Stream};
use repower_model::{Checkpoint, RankId, Rendezvous, Resources};
use repower_proto::v1::{self, RunningProcess, Watched, WatchedTask};
use rustix::process::{Pid, kill_process_group};

use super::Tasks;
use super::admitted::Untold;
use super::checkpoints::{Asked, Checkpoints};
use super::child::Child;
use super::contained::Contained;
use super::files::Wanted;
use super::folders::{Folder, Folders};
use super::gpus::Gpus;
use super::shortage::Shortage;
use crate::clock;
use crate::sandbox::{Group, Prepared};

/// The most processes of which it is told that they run.
const RUNNING: usize = 10_000;

/// What runs for less is not looked at by the detector: it would hear of it after its end.
const YOUNG: Duration = Duration::from_secs(1);

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    session: Session,
    /// By serial; the tokens of the epoll set are made of it.
    pub(super) children: BTreeMap<u64, Child>,
    next_serial: u64,
    /// The serials of those that are being launched.
    launching: BTreeSet<u64>,
    launches: VecDeque<Launch>,
    pub(super) gpus: Gpus,
    /// Pipes that are not read until there is room.
    paused: Vec<(u64, Stream)>,
    pub(super) folders: Folders,
    /// Folders whose tasks are over.
    pub(super) used: Vec<Folder>,
    /// What such tasks were held by.
    pub(super) freed: Vec<Prepared>,
    /// The same of those whose processes a thread still looks at, by serial.
    pub(super) lingering: BTreeMap<u64, Prepared>,
    /// Containers of such tasks.
    pub(super) over: Vec<(u64, Contained)>,
    /// Serials of tasks of which the container is being removed, and since when what the engine has started is theirs.
    pub(super) closing: BTreeMap<u64, Duration>,
    pub(super) shortage: Shortage,
    /// Files of jobs that the agent is to bring.
    pub(super) wanted: Wanted,
    /// Folders in which tasks save their work.
    pub(super) checkpoints: Checkpoints,
    /// Those that are to be removed.
    pub(super) needless: Vec<PathBuf>,
    /// When the files are looked at in which tasks say how far they are; `None`: nothing runs.
    pub(super) look_at: Option<Moment>,
    pub(super) quit: bool,
    /// Kept for its memory.
    actions: Vec<Action>,
}

/// An attempt whose turn it is.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) attempt: RankId,
    pub(super) definition: Arc<Definition>,
    /// By which of its job's amounts it was placed; `None`: nobody has said.
    pub(super) alternative: Option<u32>,
    /// Of a gang: what its ranks here are told.
    pub(super) rendezvous: Option<Arc<Rendezvous>>,
}

impl Launch {
    /// What it may take of the node.
    pub(super) fn amounts(&self) -> &Resources {
        self.definition.spec.amounts(self.alternative.unwrap_or(0))
    }
}

impl State {
    pub(super) fn new(session: Session, folders: Folders, checkpoints: Checkpoints) -> Self {
        Self {
            session,
            children: BTreeMap::new(),
            next_serial: 1,
            launching: BTreeSet::new(),
            launches: VecDeque::new(),
            gpus: Gpus::default(),
            paused: Vec::new(),
            folders,
            used: Vec::new(),
            freed: Vec::new(),
            lingering: BTreeMap::new(),
            over: Vec::new(),
            closing: BTreeMap::new(),
            shortage: Shortage::new(clock::uptime()),
            wanted: Wanted::default(),
            checkpoints,
            needless: Vec::new(),
            look_at: None,
            quit: false,
            actions: Vec::new(),
        }
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(super) fn has_launches(&self) -> bool {
        !self.launches.is_empty()
    }

    pub(super) fn next_launch(&mut self) -> Option<Launch> {
        self.launches.pop_front()
    }

    /// A process is about to be launched; returns its serial.
    pub(super) fn announce(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.launching.insert(serial);
        serial
    }

    /// It was launched, or could not be.
    pub(super) fn conclude(&mut self, serial: u64, child: Option<Child>) {
        self.launching.remove(&serial);
        if child.is_none() {
            self.gpus.free(serial);
        }
        self.children.extend(child.map(|child| (serial, child)));
    }

    /// The serials of those that are being launched.
    pub(super) fn launching(&self) -> impl Iterator<Item = u64> + '_ {
        self.launching.iter().copied()
    }

    /// The process is over and its output is at the end or closed.
    pub(super) fn remove(&mut self, serial: u64) {
        let Some(mut child) = self.children.remove(&serial) else { return };
        self.gpus.free(serial);
        let is_looked_at = child.still.end();
        match child.folder {
            Some(folder) if child.has_outputs => self.wanted.keep(child.attempt, folder),
            folder => self.used.extend(folder),
        }
        match child.held {
            Some(held) if is_looked_at => drop(self.lingering.insert(serial, held)),
            held => self.freed.extend(held),
        }
        if let Some(contained) = child.contained {
            self.closing.insert(serial, contained.since);
            self.over.push((serial, contained));
        }
    }

    /// Leaves a pipe unread until there is room.
    pub(super) fn pause(&mut self, serial: u64, stream: Stream) {
        self.paused.push((serial, stream));
    }

    /// Hands `input` to the session and performs what it asks for.
    pub(super) fn handle(&mut self, input: Input<'_>, now: Now, tasks: &Tasks) {
        let mut actions = std::mem::take(&mut self.actions);
        self.session.handle(input, now, &mut actions);
        // What is answered at once may ask for more.
        let mut next = 0;
        while next < actions.len() {
            if let Some(answer) = self.perform(&actions[next], tasks) {
                self.session.handle(answer, now, &mut actions);
            }
            next += 1;
        }
        actions.clear();
        self.actions = actions;
    }

    fn perform(&mut self, action: &Action, tasks: &Tasks) -> Option<Input<'static>> {
        match action {
            // Who starts no process needs no files.
            Action::Stage(definition) if tasks.no_exec() => {
                return Some(Input::Staged(definition.job));
            }
            Action::Collect { attempt, .. } if tasks.no_exec() => {
                let (artefacts, missing) = (Vec::new(), Vec::new());
                return Some(Input::Collected { attempt: *attempt, artefacts, missing });
            }
            Action::Stage(definition) => self.wanted.stage(Arc::clone(definition)),
            Action::Collect { attempt, definition } => self.wanted.collect(*attempt, definition),
            Action::Discard(attempt) => self.used.extend(self.wanted.discard(*attempt)),
            Action::Restore { attempt, .. } if tasks.no_exec() => {
                return Some(Input::Restored(*attempt));
            }
            Action::Restore { attempt, checkpoint } => return self.restore(*attempt, *checkpoint),
            Action::Save(attempt) => {
                let wish = self.checkpoints.save(*attempt);
                self.wanted.say(wish);
            }
            Action::Release(attempt) => return self.release(*attempt),
            Action::DropCheckpoint(task) => self.needless.extend(self.checkpoints.drop_task(*task)),
            Action::Launch { attempt, definition, alternative, rendezvous } => {
                let (attempt, definition) = (*attempt, Arc::clone(definition));
                let (alternative, rendezvous) = (*alternative, rendezvous.clone());
                let launch = Launch { attempt, definition, alternative, rendezvous };
                self.launches.push_back(launch);
            }
            Action::Signal { attempt, signal } => self.signal(*attempt, *signal),
            Action::Freeze(attempt) => self.stand(*attempt, true, tasks),
            Action::Thaw(attempt) => self.stand(*attempt, false, tasks),
            Action::CutEgress(attempt) => self.cut(*attempt, true),
            Action::MendEgress(attempt) => self.cut(*attempt, false),
            Action::CloseOutput { attempt } => {
                if let Some(serial) = self.serial(*attempt) {
                    self.remove(serial);
                }
            }
            Action::ResumeReading => {
                for (serial, stream) in std::mem::take(&mut self.paused) {
                    if let Some(child) = self.children.get(&serial) {
                        child.rearm(&tasks.epoll, serial, stream);
                    }
                }
            }
            Action::ForgetJob(job) => {
                tasks.jobs.forget(*job);
                self.wanted.forget(*job);
            }
        }
        None
    }

    /// An attempt is to have the folder of its task.
    fn restore(
        &mut self,
        attempt: RankId,
        checkpoint: Option<Checkpoint>,
    ) -> Option<Input<'static>> {
        match self.checkpoints.ask(attempt, checkpoint) {
            Asked::Ready => Some(Input::Restored(attempt)),
            Asked::Wait => None,
            Asked::Fetch(wish) => {
                self.wanted.say(wish);
                None
            }
            Asked::Failed(detail) => Some(Input::NotStarted { attempt, detail }),
        }
    }

    /// An attempt has the folder of its task no more: another one that waits for it may.
    fn release(&mut self, attempt: RankId) -> Option<Input<'static>> {
        let released = self.checkpoints.release(attempt);
        if let Some(wish) = released.wish {
            self.wanted.say(wish);
        }
        self.needless.extend(released.removed);
        let (attempt, checkpoint) = released.next?;
        self.restore(attempt, checkpoint)
    }

    pub(super) fn serial(&self, attempt: RankId) -> Option<u64> {
        let found = self.children.iter().find(|(_, child)| child.attempt == attempt);
        found.map(|(serial, _)| *serial)
    }

    fn signal(&mut self, attempt: RankId, signal: Signal) {
        let child = self.serial(attempt).and_then(|serial| self.children.get_mut(&serial));
        let Some(child) = child else { return };
        child.killed |= signal == Signal::Kill;
        // A process that has been reaped has no pid any more, so the signal cannot hit a stranger.
        if let Some(pid) = child.pid {
            send(pid, signal);
        }
    }

    /// What runs just now.
    pub(super) fn running(&self) -> Vec<RunningProcess> {
        let process = |child: &Child| {
            let (cpu_us, memory_bytes) = child.group().map_or((None, None), Group::usage);
            let (attempt, pid) = (Some(child.attempt.into()), child.pid?.as_raw_nonzero().get());
            Some(RunningProcess { attempt, pid, cpu_us, memory_bytes })
        };
        self.children.values().filter_map(process).take(RUNNING).collect()
    }

    /// How the box of a process is entered; with pid 0 if it does not run.
    pub(super) fn way_in(&self, attempt: RankId) -> v1::Process {
        let child = self.serial(attempt).and_then(|serial| self.children.get(&serial));
        let gone = || v1::Process { attempt: Some(attempt.into()), ..v1::Process::default() };
        child.and_then(Child::way_in).unwrap_or_else(gone)
    }

    /// What runs now, for the detector, and what was admitted with jobs that it does not know.
    pub(super) fn watched(&mut self, known: &[u64]) -> Watched {
        let (now, mut tasks, mut untold) = (clock::uptime(), Vec::new(), Untold::new(known));
        for child in self.children.values() {
            let Some(pid) = child.pid.and_then(|pid| u32::try_from(raw(pid)).ok()) else {
                continue;
            };
            if now.saturating_sub(child.since) < YOUNG {
                continue;
            }
            let Some(seen) = self.session.seen(child.attempt) else { continue };
            let group = child.group().and_then(Group::folder);
            let group = group.map(|folder| folder.as_os_str().as_bytes().to_vec());
            let folder = child.own_folder().map(|folder| folder.as_os_str().as_bytes().to_vec());
            if folder.is_some() {
                untold.add(child.attempt.attempt.task.job, &self.wanted);
            }
            tasks.push(WatchedTask {
                attempt: Some(child.attempt.into()),
                process: pid,
                group: group.unwrap_or_default(),
                watch: seen.watch.to_vec(),
                output_bytes: seen.output,
                progress: child.said.changes,
                frozen: child.still.is_wanted(),
                folder: folder.unwrap_or_default(),
            });
            if tasks.len() >= RUNNING {
                break;
            }
        }
        Watched { tasks, admitted: untold.told() }
    }

    /// Ends the connections of an attempt, and those that come; or lets them come again. Only what this process
    /// carries can be cut.
    fn cut(&mut self, attempt: RankId, cut: bool) {
        let child = self.serial(attempt).and_then(|serial| self.children.get(&serial));
        let Some(reach) = child.and_then(Child::reach) else {
            tracing::warn!(%attempt, "nothing is carried for a task, so its egress cannot be cut");
            return;
        };
        if cut {
            reach.cut();
        } else {
            reach.mend();
        }
        tracing::warn!(%attempt, cut, "the egress of a task has been changed");
    }

    /// Kills whatever runs.
    pub(super) fn kill_all(&self) {
        for pid in self.children.values().filter_map(|child| child.pid) {
            send(pid, Signal::Kill);
        }
    }
}

fn raw(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

/// Sends a signal to the process group that `pid` leads. One that is gone needs none.
pub(super) fn send(pid: Pid, signal: Signal) {
    let sent = match signal {
        Signal::Terminate => kill_process_group(pid, rustix::process::Signal::TERM),
        Signal::Checkpoint(number) => send_number(pid, number),
        Signal::Kill => kill_process_group(pid, rustix::process::Signal::KILL),
    };
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => {
            let error = std::io::Error::from(errno);
            tracing::warn!(pid = pid.as_raw_nonzero(), %error, "cannot signal a task");
        }
    }
}

/// Sends any signal by its number: the safe call knows no real-time signals.
fn send_number(pid: Pid, number: i32) -> rustix::io::Result<()> {
    // SAFETY: killpg takes two numbers and touches no memory of this process.
    #[expect(unsafe_code, reason = "no safe call sends a signal of any number")]
    let sent = unsafe { libc::killpg(pid.as_raw_nonzero().get(), number) };
    if sent == 0 {
        return Ok(());
    }
    let errno = rustix::io::Errno::from_io_error(&std::io::Error::last_os_error());
    Err(errno.unwrap_or(rustix::io::Errno::INVAL))
}
