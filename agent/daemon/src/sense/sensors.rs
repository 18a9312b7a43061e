//! The sensors of a host, shared by all its tasks.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::executable::Digests;
use super::memory::Scanner;
use super::stop::Stopper;
use super::{Reading, Unavailable};

/// The most bytes of images that are read in one look at one task.
const BYTES_A_LOOK: u64 = 16 << 20;

/// The sensors of this host.
#[derive(Debug)]
pub struct Sensors {
    pub(super) stopper: Stopper,
    pub(super) scanner: Scanner,
    pub(super) digests: Digests,
    unavailable: BTreeSet<Unavailable>,
}

impl Sensors {
    /// Makes them, and tries on a process of its own whether threads can be stopped here.
    pub fn new() -> Self {
        let mut sensors = Self {
            stopper: Stopper::new(),
            scanner: Scanner::new(),
            digests: Digests::default(),
            unavailable: BTreeSet::new(),
        };
        if let Some(reason) = sensors.try_stop() {
            sensors.unavailable.insert(reason);
        }
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

    fn try_stop(&mut self) -> Option<Unavailable> {
        if !super::stop::is_available() {
            return Some(Unavailable::Processor);
        }
        // It waits for the end of its input, which comes when it is dropped.
        let mut cat = Command::new("/bin/cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = cat.spawn() else { return Some(Unavailable::Ptrace) };
        let reading = self.stopper.trace(child.id(), child.id());
        drop(child.stdin.take());
        if let Err(error) = child.wait() {
            tracing::warn!(%error, "cannot wait for a process of the sensors");
        }
        // One that is late on a busy host was allowed.
        let is_allowed = match reading {
            Ok(traced) => traced.is_read(),
            Err(reading) => reading == Reading::Late,
        };
        (!is_allowed).then_some(Unavailable::Ptrace)
    }

    /// Reads the registers of a thread.
    pub(super) fn read(&mut self, process: u32, thread: u32) -> Reading {
        let reading = self.stopper.read(process, thread);
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
