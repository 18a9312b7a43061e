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
    /// The nodes of gangs, by their places in the machine, with how many ranks are on each.
    gangs: BTreeMap<JobId, Vec<(u32, u32)>>,
    /// Thousandths of processors that those hold which run.
    pub(super) cpu_milli: u64,
}

impl Live {
    /// An attempt is on its node; a gang on several, with so many ranks on each.
    pub(super) fn place(&mut self, job: JobId, attempt: Attempt, parts: Vec<(u32, u32)>) {
        if !parts.is_empty() {
            self.gangs.insert(job, parts);
        }
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

    /// Takes an attempt out; of a gang also where it was.
    pub(super) fn remove(&mut self, job: JobId, number: u32) -> Option<(Attempt, Vec<(u32, u32)>)> {
        self.get(job, number)?;
        self.runway.remove(&job);
        let parts = self.gangs.remove(&job).unwrap_or_default();
        self.attempts.remove(&job).map(|attempt| (attempt, parts))
    }

    /// The node of each process of an attempt, by its place in the machine; ranks count through them.
    pub(super) fn processes(&self, job: JobId) -> Vec<u32> {
        if let Some(parts) = self.gangs.get(&job) {
            return parts.iter().flat_map(|(node, ranks)| (0..*ranks).map(|_| *node)).collect();
        }
        self.attempts.get(&job).map(|attempt| attempt.node).into_iter().collect()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = JobId> + '_ {
        self.runway.iter().copied()
    }

    pub(super) fn running(&self) -> usize {
        self.attempts.len() - self.runway.len()
    }
}
