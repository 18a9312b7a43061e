//! The order in which tasks go: by priority, then by age, grouped by shape.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use repower_model::{JobId, Resources, Timestamp};
use serde::{Deserialize, Serialize};

use super::Job;

/// Where a job stands: higher priority first, then the older one.
pub type Turnstile = (Reverse<i32>, JobId);

/// Jobs whose tasks wait, grouped by shape (what one task asks for), so that the cost of a pass
/// follows the shapes, not the jobs; and jobs that wait for a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    ready: BTreeMap<Resources, BTreeSet<Turnstile>>,
    sleeping: BTreeSet<(Timestamp, JobId)>,
    known: BTreeMap<JobId, Option<Timestamp>>,
}

impl Queue {
    /// Shapes with a ready job, each with the one that goes first.
    pub fn heads(&self) -> impl Iterator<Item = (Turnstile, &Resources)> {
        self.ready.iter().filter_map(|(shape, jobs)| jobs.first().map(|head| (*head, shape)))
    }

    /// The ready job of a shape that goes first.
    pub fn head(&self, shape: &Resources) -> Option<Turnstile> {
        self.ready.get(shape)?.first().copied()
    }

    /// Ready jobs of a shape, in order.
    pub fn of_shape(&self, shape: &Resources) -> impl Iterator<Item = Turnstile> {
        self.ready.get(shape).into_iter().flatten().copied()
    }

    /// Ready jobs that go before `turn`, of any shape.
    pub fn ahead(&self, turn: Turnstile) -> impl Iterator<Item = JobId> {
        self.ready.values().flat_map(move |jobs| jobs.range(..turn).map(|(_, job)| *job))
    }

    /// Whether a job is ready to go.
    pub fn is_ready(&self, job: &Job) -> bool {
        let jobs = self.ready.get(&job.spec.resources);
        jobs.is_some_and(|jobs| jobs.contains(&turnstile(job)))
    }

    /// Whether no job is ready.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// When the next sleeper wakes.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.sleeping.first().map(|(at, _)| *at)
    }

    /// Sleepers whose time has come.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<JobId> {
        self.sleeping.iter().take_while(|(at, _)| *at <= now).map(|(_, job)| *job).collect()
    }

    /// Puts a job where it belongs now.
    pub(crate) fn update(&mut self, job: &Job, now: Timestamp) {
        let at = job.ready_at();
        let slot = at.map(|at| if at <= now { Timestamp::default() } else { at });
        if self.known.get(&job.id) == Some(&slot) {
            return;
        }
        self.remove(job);
        match slot {
            None => {}
            Some(at) if at == Timestamp::default() => {
                self.ready.entry(job.spec.resources.clone()).or_default().insert(turnstile(job));
            }
            Some(at) => {
                self.sleeping.insert((at, job.id));
            }
        }
        self.known.insert(job.id, slot);
    }

    /// Takes a job out.
    pub(crate) fn remove(&mut self, job: &Job) {
        match self.known.remove(&job.id) {
            None | Some(None) => {}
            Some(Some(at)) if at == Timestamp::default() => {
                if let Some(jobs) = self.ready.get_mut(&job.spec.resources) {
                    jobs.remove(&turnstile(job));
                    if jobs.is_empty() {
                        self.ready.remove(&job.spec.resources);
                    }
                }
            }
            Some(Some(at)) => {
                self.sleeping.remove(&(at, job.id));
            }
        }
    }
}

fn turnstile(job: &Job) -> Turnstile {
    (Reverse(job.spec.priority), job.id)
}
