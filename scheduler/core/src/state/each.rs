//! Dependencies task by task: which places wait for the task of the same index of another job.
//!
//! A success is final, and so is a cancellation; a failure is not while its job lives, since a black
//! hole may give it back. So what failed counts when its job has ended. All of it is sets of
//! intervals: a million tasks that wait for a million others cost one until something ends.

use repower_model::{Dependency, Indices, JobId, JobState, TaskId};

use super::{Job, State};

impl Job {
    /// Intervals of places that wait for any node, and for no other task, ascending.
    pub fn free(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pending.without(&self.blocked)
    }

    /// How many places wait for any node, and for no other task.
    pub fn waiting(&self) -> u64 {
        self.pending.len() - self.blocked.len()
    }

    /// Whether all of it waits for another job to end, or for somebody.
    pub fn is_held(&self) -> bool {
        let whole = self.waits_for.iter().any(|dependency| !dependency.per_task);
        let blocked = self.waiting() == 0 && self.promised.is_empty();
        let held = self.review || self.barred || !self.findings.is_empty();
        held || whole || (blocked && !self.pending.is_empty())
    }

    /// The tasks that a place waits for.
    pub fn waits_for_tasks(&self, place: u32) -> Vec<TaskId> {
        let index = self.task(place).index;
        let open = self.open.iter().filter(|(_, places)| places.contains(place));
        open.map(|(dependency, _)| TaskId { job: dependency.job, index }).collect()
    }

    /// Places whose counterparts ended as asked wait for these no longer.
    fn unblock(&mut self, on: JobId, places: &[(u32, u32)], ended: JobState) -> bool {
        let mut freed = Indices::default();
        for (dependency, open) in &mut self.open {
            if dependency.job == on && dependency.kind.is_met_by(ended) {
                let met = open.within(places);
                open.subtract(&met);
                freed.add(&met);
            }
        }
        for open in self.open.values() {
            freed.subtract(open);
        }
        self.blocked.subtract(&freed);
        !freed.is_empty()
    }

    /// A job that it waited for has ended, and nothing of it waits for that any longer.
    pub(super) fn settle(&mut self, on: JobId) {
        self.waits_for.retain(|dependency| dependency.job != on);
        self.open.retain(|dependency, _| dependency.job != on);
        self.reblock();
    }

    /// Places that were cancelled wait for nothing.
    pub(super) fn forget(&mut self, places: &Indices) {
        self.blocked.subtract(places);
        self.promised.subtract(places);
        self.open.values_mut().for_each(|open| open.subtract(places));
    }

    pub(super) fn reblock(&mut self) {
        self.blocked = self.promised.clone();
        for open in self.open.values() {
            self.blocked.add(open);
        }
    }
}

impl State {
    /// The places that wait for the task of the same index, of a job that is submitted now.
    pub(super) fn open_of(&self, dependency: &Dependency) -> Indices {
        let Some(on) = self.job(dependency.job) else {
            return Indices::default();
        };
        let mut open = all(on);
        for (ended, places) in self.ends_of(on) {
            if dependency.kind.is_met_by(ended) {
                open.subtract(&places);
            }
        }
        open
    }

    /// The places of a job whose counterparts have ended otherwise than a new job asks.
    pub(crate) fn lost_of(&self, dependency: &Dependency) -> Indices {
        let mut lost = Indices::default();
        if let Some(on) = self.job(dependency.job) {
            for (ended, places) in self.ends_of(on) {
                if !dependency.kind.is_met_by(ended) {
                    lost.add(&places);
                }
            }
        }
        lost
    }

    /// Places of a live job that have ended for good, by how they have.
    fn ends_of(&self, job: &Job) -> [(JobState, Indices); 2] {
        let mut succeeded = all(job);
        for others in [&job.pending, &job.failed, &job.cancelled] {
            succeeded.subtract(others);
        }
        let tasks = TaskId { job: job.id, index: 0 }..=TaskId { job: job.id, index: u32::MAX };
        for (task, _) in self.attempts.range(tasks) {
            if let Some(place) = job.place(*task) {
                succeeded.remove(place);
            }
        }
        [(JobState::Succeeded, succeeded), (JobState::Cancelled, job.cancelled.clone())]
    }

    /// Tasks of a job have ended for good: those that waited for them, task by task, go on.
    pub(super) fn unblock(&mut self, on: JobId, places: &Indices, ended: JobState) {
        let places: Vec<_> = places.intervals().collect();
        for dependent in self.dependents.of(on) {
            if self.known_job(dependent).unblock(on, &places, ended) {
                self.requeue(dependent);
            }
        }
    }
}

fn all(job: &Job) -> Indices {
    Indices::up_to(u32::try_from(job.count()).expect("an array is bounded"))
}
