//! What the projections of the daemon's store answer: jobs that have left memory.

use std::collections::BTreeMap;

use repower_core::fact::Fact;
use repower_model::{Dependency, JobId, JobState, Key};

/// Every job that ever was, by key, and how the ended ones ended. It follows the facts as they are
/// turned, not as they are committed: a job may end in the very batch in which its key comes again.
#[derive(Debug, Default)]
pub(super) struct Archive {
    keys: BTreeMap<Key, (JobId, u64)>,
    ends: BTreeMap<JobId, JobState>,
}

impl Archive {
    pub(super) fn note(&mut self, fact: &Fact) {
        if let Fact::JobSubmitted(submitted) = fact {
            let tasks = submitted.spec.array.count();
            self.keys.insert(submitted.key, (submitted.job, tasks));
        }
        if let Fact::JobEnded { job, state, .. } = fact {
            self.ends.insert(*job, *state);
        }
    }

    /// The job of a key, and how many tasks it has.
    pub(super) fn job(&self, key: &Key) -> Option<(JobId, u64)> {
        self.keys.get(key).copied()
    }

    /// How those of some jobs ended that have.
    pub(super) fn past(&self, dependencies: &[Dependency]) -> Vec<(JobId, JobState)> {
        dependencies
            .iter()
            .filter_map(|one| self.ends.get(&one.job).map(|state| (one.job, *state)))
            .collect()
    }
}
