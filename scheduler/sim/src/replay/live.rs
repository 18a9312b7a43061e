//! Attempts that are on nodes.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{JobId, Span};

/// An attempt that is on a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) node: u32,
    /// Since when it runs; `None`: it waits on the node for a slot.
    pub(super) start: Option<Span>,
}

/// All of them, by job: each has one task.
#[derive(Debug, Default)]
pub(super) struct Live {
    attempts: BTreeMap<JobId, Attempt>,
    /// Those that wait for a slot.
    runway: BTreeSet<JobId>,
    /// Thousandths of processors that those hold which run.
    pub(super) cpu_milli: u64,
}

impl Live {
    pub(super) fn place(&mut self, job: JobId, attempt: Attempt) {
        if attempt.start.is_none() {
            self.runway.insert(job);
        }
        self.attempts.insert(job, attempt);
    }

    /// One that waited for a slot has got it.
    pub(super) fn start(&mut self, job: JobId, now: Span) -> Option<Attempt> {
        self.runway.remove(&job);
        let attempt = self.attempts.get_mut(&job)?;
        attempt.start = Some(now);
        Some(*attempt)
    }

    pub(super) fn get(&self, job: JobId, number: u32) -> Option<&Attempt> {
        self.attempts.get(&job).filter(|attempt| attempt.number == number)
    }

    pub(super) fn remove(&mut self, job: JobId, number: u32) -> Option<Attempt> {
        self.get(job, number)?;
        self.runway.remove(&job);
        self.attempts.remove(&job)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = JobId> + '_ {
        self.runway.iter().copied()
    }

    pub(super) fn running(&self) -> usize {
        self.attempts.len() - self.runway.len()
    }
}
