//! The sensors of a host, shared by all its tasks.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{ChildStdin, Command, Stdio};

use repower_agent_core::Moment;
use repower_agent_core::detect::ExecutableState;

use super::executable::{self, Digests};
use super::memory::Scanner;
use super::stop::Stopper;
use super::threads::Thread;
use super::{Reading, Unavailable, proc, sockets};
use crate::sandbox;

/// The most bytes of images that are read in one look at one task.
const BYTES_A_LOOK: u64 = 16 << 20;

/// What the sensors of a host are called.
pub const SENSORS: [&str; 3] = ["connections", "images", "registers"];

/// The sensors of this host.
#[derive(Debug)]
pub struct Sensors {
    pub(super) stopper: Stopper,
    pub(super) scanner: Scanner,
    pub(super) digests: Digests,
    unavailable: BTreeSet<Unavailable>,
    /// SHA-256 of the first process of a box, which is the agent's own and runs from memory.
    init: [u8; 32],
    /// Device and inode of this program.
    own: Option<(u64, u64)>,
}

impl Sensors {
    /// Makes them, and tries on a process of its own what this host allows.
    pub fn new() -> Self {
        let mut sensors = Self {
            stopper: Stopper::new(),
            scanner: Scanner::new(),
            digests: Digests::default(),
            unavailable: BTreeSet::new(),
            init: sandbox::init_digest(),
            own: None,
        };
        let own = std::process::id();
        sensors.own = identity(own);
        let tried = sensors.try_all();
        sensors.unavailable.extend(tried);
        sensors
    }

    /// Which sensors see nothing on this host, and why.
    pub fn unavailable(&self) -> impl Iterator<Item = Unavailable> + '_ {
        self.unavailable.iter().copied()
    }

    /// Whether registers can be read here.
    pub fn reads_registers(&self) -> bool {
        !self.unavailable.iter().any(|reason| reason.sensor() == "registers")
    }

    pub(super) fn note(&mut self, reason: Unavailable) {
        if self.unavailable.insert(reason) {
            tracing::warn!(sensor = reason.sensor(), %reason, "a sensor is not available");
        }
    }

    pub(super) const fn budget() -> u64 {
        BYTES_A_LOOK
    }

    /// What of them sees nothing here. Tried on a process that is no descendant of this one, because tasks
    /// are none.
    fn try_all(&mut self) -> Vec<Unavailable> {
        let mut lacks = Vec::new();
        lacks.extend(sockets::try_out().err());
        let Some((input, stray)) = stray() else {
            lacks.extend([Unavailable::Trial, Unavailable::UntriedImages]);
            return lacks;
        };
        if super::stop::is_available() {
            // One that is late on a busy host was allowed.
            let is_allowed = match self.stopper.trace(stray, stray) {
                Ok(traced) => traced.is_read(),
                Err(reading) => reading == Reading::Late,
            };
            lacks.extend((!is_allowed).then_some(Unavailable::Ptrace));
        } else {
            lacks.push(Unavailable::Processor);
        }
        if File::open(proc::path(stray, "mem")).is_err() {
            lacks.push(Unavailable::Memory);
        }
        // The stray waits for the end of its input.
        drop(input);
        lacks
    }

    /// What is wrong with the file that a process runs. The agent's own programs in a task's box are no part of it.
    pub(super) fn state(&mut self, process: u32) -> Option<ExecutableState> {
        let state = executable::state(process)?;
        (!self.is_own(process)).then_some(state)
    }

    /// Whether a process runs a program of the agent's own: the first one of a box, or this one.
    pub(super) fn is_own(&mut self, process: u32) -> bool {
        let is_this = self.own.is_some() && identity(process) == self.own;
        is_this || self.digests.of(process) == Some(self.init)
    }

    /// Reads the registers of a thread of a task that has the processes `task`.
    pub(super) fn read(&mut self, task: &[u32], thread: Thread, now: Moment) -> Reading {
        let reading = self.stopper.read_of(task, thread.process, thread.thread, now);
        if let Reading::Unavailable(reason) = reading {
            self.note(reason);
        }
        reading
    }
}

impl Default for Sensors {
    fn default() -> Self {
        Self::new()
    }
}

/// Device and inode of what a process runs.
fn identity(process: u32) -> Option<(u64, u64)> {
    fs::metadata(proc::path(process, "exe")).ok().map(|file| (file.dev(), file.ino()))
}

/// A process that has lost its parent, as tasks look to an agent that has not started their executor; it ends when
/// its input is closed.
fn stray() -> Option<(ChildStdin, u32)> {
    let line = "exec 3<&0; /bin/cat <&3 >/dev/null 2>&1 & echo $!";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = shell.spawn().ok()?;
    // Kept open: to wait for a child closes its input.
    let input = shell.stdin.take()?;
    let mut told = String::new();
    let read = shell.stdout.take()?.take(32).read_to_string(&mut told);
    let ended = shell.wait();
    read.ok()?;
    ended.ok()?;
    Some((input, told.trim().parse().ok()?))
}
