//! Which jobs wait for which.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{Dependency, JobId};
use serde::{Deserialize, Serialize};

/// For each live job, those that wait for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Dependents {
    by_job: BTreeMap<JobId, BTreeSet<JobId>>,
}

impl Dependents {
    pub(crate) fn add(&mut self, job: JobId, waits_for: &[Dependency]) {
        for dependency in waits_for {
            self.by_job.entry(dependency.job).or_default().insert(job);
        }
    }

    pub(crate) fn remove(&mut self, job: JobId, on: JobId) {
        if let Some(waiting) = self.by_job.get_mut(&on) {
            waiting.remove(&job);
            if waiting.is_empty() {
                self.by_job.remove(&on);
            }
        }
    }

    /// Those that wait for `job`, ascending.
    pub(crate) fn of(&self, job: JobId) -> Vec<JobId> {
        self.by_job.get(&job).map(|waiting| waiting.iter().copied().collect()).unwrap_or_default()
    }
}
