//! How the facts about jobs change the state, and where a job stands in the queue by them.

use repower_model::{ApprovalId, IndexRange, Indices, JobId, JobState, TaskId, Timestamp};

use crate::fact::JobSubmitted;
use crate::plan::UNKNOWN;
use crate::plan::order::{self, Arrival};
use crate::state::{Job, Queue, Runs, Shape, State};

impl State {
    pub(super) fn submitted(&mut self, submitted: &JobSubmitted, at: Timestamp) {
        let JobSubmitted { job: id, key, submitter, spec, tier, policy, review, .. } = submitted;
        let waits_for = &submitted.waits_for;
        let admission = self.policy.as_ref().map(|(policy, _)| &policy.admission);
        let is_suspect = admission.is_some_and(|admission| admission.asks(&submitted.marks));
        let count = u32::try_from(spec.array.count()).expect("an array is bounded");
        let each = waits_for.iter().filter(|dependency| dependency.per_task);
        let open = each.map(|dependency| (*dependency, self.open_of(dependency))).collect();
        let mut job = Job {
            id: *id,
            key: *key,
            submitter: submitter.clone(),
            spec: spec.clone(),
            tier: *tier,
            policy: *policy,
            submitted: at,
            eligible: None,
            started: None,
            review: *review,
            cleared: false,
            approval: submitted.approval,
            barred: false,
            marks: submitted.marks.clone(),
            is_suspect,
            findings: std::collections::BTreeSet::new(),
            confirmed: std::collections::BTreeSet::new(),
            waits_for: waits_for.clone(),
            open,
            promised: Indices::default(),
            blocked: Indices::default(),
            pending: Indices::up_to(count),
            delayed: std::collections::BTreeSet::new(),
            live: 0,
            succeeded: 0,
            failed: Indices::default(),
            cancelled: Indices::default(),
            stopped: false,
            tries: std::collections::BTreeMap::new(),
            checkpoints: std::collections::BTreeMap::new(),
            exit_code: 0,
            runs: Runs::default(),
            pace_us: None,
            passed_on: Vec::new(),
        };
        job.reblock();
        self.last_job = self.last_job.max(id.0);
        self.keys.insert(*key, *id);
        self.dependents.add(*id, waits_for);
        self.jobs.insert(*id, job);
        self.requeue(*id);
    }

    pub(super) fn reviewed(&mut self, id: JobId, approved: bool, approval: Option<ApprovalId>) {
        let job = self.known_job(id);
        // A denial leaves the mark: the tasks are cancelled by the facts that follow.
        job.review = !approved;
        job.approval = approval;
        job.cleared = approved && approval.is_none();
        self.requeue(id);
    }

    pub(super) fn settled(&mut self, job: JobId, on: JobId) {
        self.known_job(job).settle(on);
        self.dependents.remove(job, on);
        self.requeue(job);
    }

    pub(super) fn cancelled(&mut self, id: JobId, tasks: &[IndexRange], at: Timestamp) {
        let job = self.known_job(id);
        let places = tasks.iter().flat_map(|range| job.spec.array.places(*range));
        let promised = job.promised.within(&places.collect::<Vec<_>>());
        let promised: Vec<TaskId> = promised.iter().map(|place| job.task(place)).collect();
        self.give_up_promises(&promised, at);
        let job = self.jobs.get_mut(&id).expect("facts are about live jobs");
        job.stopped = true;
        let mut gone = Indices::default();
        for range in tasks {
            for (first, last) in job.spec.array.places(*range) {
                gone.add(&job.pending.within(&[(first, last)]));
                job.pending.remove_range(first, last);
                if !job.delayed.is_empty() {
                    job.delayed.retain(|(_, place)| !(first..=last).contains(place));
                }
                let tried: Vec<u32> = job.tries.range(first..=last).map(|(at, _)| *at).collect();
                for place in tried {
                    if !job.failed.contains(place) && !self.attempts.contains_key(&job.task(place))
                    {
                        job.tries.remove(&place);
                    }
                }
            }
        }
        job.checkpoints.retain(|place, _| !gone.contains(*place));
        job.forget(&gone);
        job.cancelled.add(&gone);
        self.unblock(id, &gone, JobState::Cancelled);
        self.requeue(id);
    }

    pub(super) fn ended(&mut self, id: JobId) {
        if let Some(job) = self.jobs.remove(&id) {
            self.queue.remove(id);
            self.keys.remove(&job.key);
            for dependency in &job.waits_for {
                self.dependents.remove(id, dependency.job);
            }
        }
    }

    pub(in crate::state) fn requeue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let ready = job.ready_at().is_some_and(|at| at <= self.now);
        let key = (ready && self.queue.lacks_key(id)).then(|| self.arrival(id));
        self.queue.update(&self.jobs[&id], self.now, key);
    }

    /// A job can go for the first time: what the discipline says of it.
    fn arrival(&mut self, id: JobId) -> u64 {
        let discipline = self.scheduling().discipline;
        let job = self.jobs.get_mut(&id).expect("facts are about live jobs");
        let eligible = *job.eligible.get_or_insert(self.now);
        let shape = Shape::of(&job.spec);
        let queued = self.queue.work() + shape.work() * u128::from(job.waiting());
        let total = self.offers.total().cpus;
        let backlog_ms = self.backlog.clears_in_ms(self.now, queued, UNKNOWN, total);
        let accuracy = self.backlog.accuracy();
        let peak_ms = self.backlog.meets(accuracy * backlog_ms);
        let after = eligible.since(self.founded);
        order::key(discipline, &shape, &Arrival { after, backlog_ms, accuracy, peak_ms })
    }

    /// Puts all jobs in the order of the policy that is now in force.
    pub(super) fn reorder(&mut self) {
        self.queue = Queue::default();
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.requeue(job);
        }
    }
}
