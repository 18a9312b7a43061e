//! What the session knows of one attempt.

use std::collections::BTreeSet;
use std::sync::Arc;

use repower_model::{Rendezvous, Resources, Span, Timestamp, Usage, Verdict};

use crate::outbox::Place;
use crate::phase::Phase;
use crate::printed::Printed;
use crate::{Definition, Exit, Moment, Stream};

/// What the session knows of one attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) definition: Arc<Definition>,
    /// By which of its job's amounts it was placed; `None`: nobody has said.
    pub(crate) alternative: Option<u32>,
    pub(crate) rendezvous: Option<Arc<Rendezvous>>,
    pub(crate) phase: Phase,
    /// Whether what an earlier attempt has saved is here, or it asks for nothing of that.
    pub(crate) is_restored: bool,
    /// When its process started.
    pub(crate) started: Option<Timestamp>,
    /// Where the report of its start lies, if it has not been sent.
    pub(crate) start_report: Option<Place>,
    /// When it has to be looked at, if ever.
    pub(crate) due: Option<Moment>,
    /// When its windows of output go out, if there is something in them.
    pub(crate) flush: Option<Moment>,
    /// Bytes of its output that have not been acknowledged.
    pub(crate) unsettled: usize,
    /// Whether its output is not read, because it has too many of those.
    pub(crate) slowed: bool,
    /// What was noticed about it, if anything was. In a box, because that is rare.
    pub(crate) suspicion: Option<Box<Suspicion>>,
    stdout: Printed,
    stderr: Printed,
}

/// What was noticed about an attempt, and what people have said to it.
#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    /// Rules that a person has found to be wrong about it.
    pub(crate) cleared: BTreeSet<String>,
    /// Whether it stands still.
    pub(crate) frozen: bool,
    /// Whether it no longer reaches the places that it may reach.
    pub(crate) cut: bool,
    /// What was noticed last.
    pub(crate) verdicts: Vec<Verdict>,
    /// What was left of its time limit when it began to stand still.
    pub(crate) left: Option<Span>,
}

impl Attempt {
    pub(crate) fn new(
        definition: Arc<Definition>,
        alternative: Option<u32>,
        rendezvous: Option<Arc<Rendezvous>>,
        phase: Phase,
    ) -> Self {
        Self {
            is_restored: !definition.spec.checkpoint,
            definition,
            alternative,
            rendezvous,
            phase,
            started: None,
            start_report: None,
            due: None,
            flush: None,
            unsettled: 0,
            slowed: false,
            suspicion: None,
            stdout: Printed::default(),
            stderr: Printed::default(),
        }
    }

    /// What it takes of the node while it runs.
    pub(crate) fn amounts(&self) -> &Resources {
        self.definition.spec.amounts(self.alternative.unwrap_or(0))
    }

    /// Whether nothing more happens to it.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// One of its two streams.
    pub(crate) fn printed(&mut self, stream: Stream) -> &mut Printed {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// What it has used, where the store keeps `bound` bytes of each stream.
    pub(crate) fn usage(&self, exit: Option<Exit>, bound: u64) -> Usage {
        Usage {
            wall_us: exit.map_or(0, |exit| exit.wall_us),
            cpu_us: exit.map_or(0, |exit| exit.cpu_us),
            peak_memory_bytes: exit.map_or(0, |exit| exit.peak_memory_bytes),
            stdout_bytes: self.stdout.all(),
            stderr_bytes: self.stderr.all(),
            truncated: self.stdout.is_cut(bound) || self.stderr.is_cut(bound),
            read_bytes: exit.map_or(0, |exit| exit.read_bytes),
            written_bytes: exit.map_or(0, |exit| exit.written_bytes),
            oom_kills: exit.map_or(0, |exit| exit.oom_kills),
        }
    }
}
