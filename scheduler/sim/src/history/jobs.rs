//! What the journal says of jobs and their tasks.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::check::Violation;
use repower_core::fact::{AttemptEnded, Fact, JobSubmitted};
use repower_core::policy::{Policy, Tier};
use repower_model::{
    AttemptId, Dependency, Fault, Gang, Hash, IndexRange, JobId, JobSpec, JobState, Key, NodeId,
    Outcome, Sequel, StopReason, TaskId, Timestamp,
};

use super::{Rule, hold};

/// More attempts at one task than trouble and retries explain in the time that a world has.
const MOST_TRIES: u32 = 60;

/// Every job, as the facts tell it.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the jobs of Jobs are its jobs")]
pub(super) struct Jobs {
    jobs: BTreeMap<JobId, Job>,
    keys: BTreeSet<Key>,
    policy: Option<Policy>,
    attempts: u64,
}

#[derive(Debug)]
struct Job {
    submitted: JobSubmitted,
    review: bool,
    waits_for: BTreeSet<JobId>,
    tasks: BTreeMap<u32, Task>,
    live: u64,
    /// Exit code of the first of those that have failed.
    end: Option<JobState>,
}

/// A task; attempts are numbered from 1.
#[derive(Debug, Default)]
struct Task {
    at: At,
    number: u32,
    user: u32,
    system: u32,
    /// Whether somebody cancels the live attempt.
    cancelling: bool,
    /// Exit code, and order of failing.
    code: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Pending,
    On(NodeId),
    Failed(NodeId),
    Succeeded,
    Cancelled,
}

impl Jobs {
    pub(super) fn count(&self) -> u64 {
        self.jobs.len() as u64
    }

    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// What a job asked for.
    pub(super) fn spec(&self, job: JobId) -> Option<&JobSpec> {
        self.jobs.get(&job).map(|job| &*job.submitted.spec)
    }

    /// Whether a job has ended, and how.
    pub(super) fn end(&self, job: JobId) -> Option<JobState> {
        self.jobs.get(&job)?.end
    }

    pub(super) fn adopted(&mut self, hash: Hash, text: &str) -> Result<(), Rule> {
        let policy = Policy::parse(text).map_err(|_| "only a policy is adopted")?;
        hold(policy.hash == hash, "a policy has the hash of its text")?;
        self.policy = Some(policy);
        Ok(())
    }

    pub(super) fn submitted(&mut self, submitted: &JobSubmitted) -> Result<(), Rule> {
        let policy = self.policy.as_ref().ok_or("jobs come after a policy")?;
        let class = policy.classes.get(&submitted.spec.class);
        let tier = class.map(|class| class.tier).ok_or("undeclared work is refused")?;
        hold(tier != Tier::Prohibited, "prohibited work is refused")?;
        hold(
            submitted.policy == policy.hash && submitted.tier == tier,
            "a decision names its policy",
        )?;
        hold(submitted.review == (tier == Tier::Review), "what needs a review waits for it")?;
        hold(submitted.job.0 == self.count() + 1, "ids of jobs are counted")?;
        hold(self.keys.insert(submitted.key), "one key never makes two jobs")?;
        let waits_for: BTreeSet<_> = submitted.waits_for.iter().map(|on| on.job).collect();
        hold(
            waits_for.iter().all(|on| self.end(*on).is_none()),
            "a job waits only for what has not ended",
        )?;
        let array = &submitted.spec.array;
        let places = 0..u32::try_from(array.count()).unwrap_or(u32::MAX);
        let tasks = places.filter_map(|place| Some((array.index(place)?, Task::default())));
        let job = Job {
            review: submitted.review,
            waits_for,
            tasks: tasks.collect(),
            live: 0,
            end: None,
            submitted: submitted.clone(),
        };
        self.jobs.insert(submitted.job, job);
        Ok(())
    }

    pub(super) fn reviewed(&mut self, job: JobId, approved: bool) -> Result<(), Rule> {
        let job = self.live(job)?;
        hold(job.review, "only what waits for a review is reviewed")?;
        job.review = !approved;
        Ok(())
    }

    pub(super) fn settled(&mut self, job: JobId, on: JobId, met: bool) -> Result<(), Rule> {
        let ended = self.end(on).ok_or("only an end settles a dependency")?;
        let failed: BTreeSet<u32> = self.jobs[&on]
            .tasks
            .iter()
            .filter(|(_, task)| matches!(task.at, At::Failed(_)))
            .map(|(index, _)| *index)
            .collect();
        let job = self.live(job)?;
        hold(job.waits_for.remove(&on), "a dependency is settled once")?;
        let loses = || {
            let mut pending = job.tasks.iter().filter(|(_, task)| task.at == At::Pending);
            pending.any(|(index, _)| failed.contains(index))
        };
        let mut wanted = job.submitted.waits_for.iter().filter(|one| one.job == on);
        let as_asked = wanted.all(|one| {
            let ended = if one.per_task { JobState::Failed } else { ended };
            one.kind.is_met_by(ended) || (one.per_task && !loses())
        });
        hold(met == as_asked, "a dependency is met as it was asked")
    }

    /// Whether the task of an index has ended as those ask that wait for it.
    fn has_ended_as_asked(&self, on: &Dependency, index: u32) -> bool {
        let Some(job) = self.jobs.get(&on.job) else { return false };
        let ended = match job.tasks.get(&index).map(|task| task.at) {
            Some(At::Succeeded) => JobState::Succeeded,
            Some(At::Cancelled) => JobState::Cancelled,
            Some(At::Failed(_)) if job.end.is_some() => JobState::Failed,
            Some(At::Pending | At::On(_) | At::Failed(_)) | None => return false,
        };
        on.kind.is_met_by(ended)
    }

    pub(super) fn cancelled(&mut self, job: JobId, ranges: &[IndexRange]) -> Result<(), Rule> {
        let job = self.live(job)?;
        for range in ranges {
            let step = usize::try_from(range.step).unwrap_or(1);
            for index in (range.first..=range.last).step_by(step) {
                let task = job.tasks.get_mut(&index).ok_or("a task is in its array")?;
                hold(task.at == At::Pending, "only pending tasks are cancelled")?;
                task.at = At::Cancelled;
            }
        }
        Ok(())
    }

    pub(super) fn placed(
        &mut self,
        attempt: AttemptId,
        node: NodeId,
        at: Timestamp,
    ) -> Result<(), Rule> {
        self.attempts += 1;
        let waits_for = self.live(attempt.task.job)?.submitted.waits_for.clone();
        let mut each = waits_for.iter().filter(|one| one.per_task);
        hold(
            each.all(|on| self.has_ended_as_asked(on, attempt.task.index)),
            "a task waits for that of its index",
        )?;
        let job = self.live(attempt.task.job)?;
        hold(!job.review, "work under review never runs")?;
        let class = job.submitted.spec.class.clone();
        let tier = self.policy.as_ref().and_then(|policy| policy.classes.get(&class));
        let tier = tier.map(|class| class.tier).ok_or("a class that is gone starts nothing")?;
        hold(tier != Tier::Prohibited, "what is prohibited now starts nothing")?;
        let job = self.live(attempt.task.job)?;
        let whole = |on: &&Dependency| !on.per_task && job.waits_for.contains(&on.job);
        hold(waits_for.iter().find(whole).is_none(), "a job waits for those before it")?;
        let spec = &job.submitted.spec;
        hold(spec.start_after.is_none_or(|after| after <= at), "nothing starts before its time")?;
        job.live += 1;
        let limit = spec.array.limit;
        hold(limit.is_none_or(|limit| job.live <= limit.into()), "an array keeps its limit")?;
        let task = task(job, attempt)?;
        hold(task.at == At::Pending, "only a pending task is placed")?;
        hold(attempt.number == task.number + 1, "attempt numbers grow by one")?;
        hold(attempt.number <= MOST_TRIES, "nothing is tried again and again in vain")?;
        (task.at, task.number) = (At::On(node), attempt.number);
        task.cancelling = false;
        Ok(())
    }

    pub(super) fn promised(&mut self, id: TaskId) -> Result<(), Rule> {
        let job = self.live(id.job)?;
        let task = job.tasks.get(&id.index).ok_or("a task is in its array")?;
        hold(task.at == At::Pending, "only a pending task is promised a place")
    }

    /// The gang of a job, if it is one.
    pub(super) fn gang(&mut self, job: JobId) -> Result<Option<Gang>, Rule> {
        Ok(self.live(job)?.submitted.spec.gang)
    }

    /// A gang came to its end on this node, of all that it has.
    pub(super) fn moves_to(&mut self, attempt: AttemptId, node: NodeId) -> Result<(), Rule> {
        self.on_node(attempt)?.at = At::On(node);
        Ok(())
    }

    pub(super) fn started(&mut self, attempt: AttemptId) -> Result<(), Rule> {
        self.on_node(attempt).map(drop)
    }

    pub(super) fn stopping(&mut self, attempt: AttemptId, why: StopReason) -> Result<(), Rule> {
        let task = self.on_node(attempt)?;
        hold(!task.cancelling, "what is cancelled is not stopped again")?;
        task.cancelling = matches!(why, StopReason::Cancelled | StopReason::Finding);
        hold(why != StopReason::Stale, "stale attempts are not live")
    }

    /// The live attempt of this number.
    fn on_node(&mut self, attempt: AttemptId) -> Result<&mut Task, Rule> {
        let task = task(self.live(attempt.task.job)?, attempt)?;
        let is_on = matches!(task.at, At::On(_));
        hold(is_on && task.number == attempt.number, "late reports change nothing")?;
        Ok(task)
    }

    pub(super) fn attempt_ended(&mut self, ended: &AttemptEnded) -> Result<(), Rule> {
        let retries = self.live(ended.attempt.task.job)?.submitted.spec.retries;
        self.live(ended.attempt.task.job)?.live -= 1;
        let task = self.on_node(ended.attempt)?;
        let At::On(node) = task.at else {
            return Err("an attempt ends on its node");
        };
        let is_success = ended.outcome == Outcome::Exited { code: 0 };
        hold(
            is_success == (ended.sequel == Sequel::Succeeded),
            "a task succeeds with exit code 0 and no other way",
        )?;
        match ended.fault {
            Fault::None => {}
            Fault::User => task.user += 1,
            Fault::System => task.system += 1,
        }
        match ended.sequel {
            Sequel::Succeeded => task.at = At::Succeeded,
            Sequel::Cancelled => {
                hold(task.cancelling, "only what was cancelled ends as cancelled")?;
                task.at = At::Cancelled;
            }
            Sequel::Failed => {
                hold(ended.fault != Fault::None, "a failure is somebody's fault")?;
                let spent = match ended.fault {
                    Fault::None => false,
                    Fault::User => task.user > retries.user,
                    Fault::System => task.system > retries.system,
                };
                hold(spent, "a task fails when its retries are spent")?;
                task.code = ended.outcome.exit_code();
                task.at = At::Failed(node);
            }
            Sequel::Again => {
                hold(!task.cancelling, "what is cancelled is not tried again")?;
                hold(
                    ended.fault != Fault::User || task.user <= retries.user,
                    "no more retries than were asked for",
                )?;
                task.at = At::Pending;
            }
        }
        Ok(())
    }

    pub(super) fn returned(&mut self, id: TaskId, node: NodeId) -> Result<(), Rule> {
        let job = self.live(id.job)?;
        let task = job.tasks.get_mut(&id.index).ok_or("a task is in its array")?;
        hold(task.at == At::Failed(node), "what failed on a node is given back by it")?;
        task.user = task.user.saturating_sub(1);
        task.at = At::Pending;
        Ok(())
    }

    pub(super) fn ended(&mut self, fact: &Fact) -> Result<(), Rule> {
        let Fact::JobEnded { job, state, succeeded, failed, cancelled, exit_code } = fact else {
            return Ok(());
        };
        let job = self.live(*job)?;
        let (mut good, mut bad, mut gone) = (0, 0, 0);
        for task in job.tasks.values() {
            match task.at {
                At::Succeeded => good += 1,
                At::Failed(_) => bad += 1,
                At::Cancelled => gone += 1,
                At::Pending | At::On(_) => return Err("a job ends when its tasks have"),
            }
        }
        hold(
            (good, bad, gone) == (*succeeded, *failed, *cancelled),
            "each task of a job has one outcome, and they are counted",
        )?;
        let wanted = match (bad, gone) {
            (0, 0) => JobState::Succeeded,
            (0, _) => JobState::Cancelled,
            _ => JobState::Failed,
        };
        hold(*state == wanted, "a job ends as its tasks did")?;
        let codes: Vec<i32> = job
            .tasks
            .values()
            .filter(|task| matches!(task.at, At::Failed(_)))
            .map(|task| task.code)
            .collect();
        let is_right = match state {
            JobState::Succeeded => *exit_code == 0,
            JobState::Cancelled => *exit_code == 130,
            JobState::Failed | JobState::Held | JobState::Pending | JobState::Running => {
                codes.contains(exit_code)
            }
        };
        hold(is_right, "a job exits with the code of a task that failed")?;
        job.end = Some(wanted);
        Ok(())
    }

    /// Whether nothing is left, once the trouble is over.
    pub(super) fn all_ended(&self) -> Result<(), Violation> {
        match self.jobs.iter().find(|(_, job)| job.end.is_none()) {
            None => Ok(()),
            Some((id, _)) => {
                Err(Violation { rule: "every accepted job ends", detail: format!("job {id}") })
            }
        }
    }

    fn live(&mut self, id: JobId) -> Result<&mut Job, Rule> {
        self.jobs
            .get_mut(&id)
            .filter(|job| job.end.is_none())
            .ok_or("facts are about jobs that have not ended")
    }
}

fn task(job: &mut Job, attempt: AttemptId) -> Result<&mut Task, Rule> {
    job.tasks.get_mut(&attempt.task.index).ok_or("a task is in its array")
}
