//! How the facts about attempts change the state: where one is, what it holds, and what becomes of its
//! task.

use repower_model::{
    AttemptId, Cpus, Fault, JobSpec, JobState, NodeId, Outcome, Part, Sequel, Span, TaskId,
    Timestamp,
};

use crate::fact::AttemptEnded;
use crate::life::attempt::{self, Phase};
use crate::plan::{REST, UNKNOWN, pace};
use crate::state::share::Amounts;
use crate::state::{Attempt, GivenUp, Ranks, State};

/// Where an attempt was placed, and with what.
pub(super) struct Placed<'a> {
    pub(super) node: NodeId,
    pub(super) runway: bool,
    pub(super) alternative: u32,
    pub(super) parts: &'a [Part],
}

impl State {
    pub(super) fn placed(&mut self, id: AttemptId, placed: &Placed<'_>, at: Timestamp) {
        let AttemptId { task, number } = id;
        let Placed { node, runway, alternative, parts } = *placed;
        self.unpromise(task, at);
        let job = self.known_job(task.job);
        let place = job.place(task).expect("a placed task is in its array");
        job.pending.remove(place);
        job.delayed.retain(|(_, waiting)| *waiting != place);
        job.live += 1;
        job.started.get_or_insert(at);
        if number > 1 {
            job.tries.entry(place).or_default().number = number;
        }
        let ranks = (!parts.is_empty()).then(|| Box::new(Ranks::new(parts.to_vec())));
        let is_gang = ranks.is_some();
        self.may_save(task, node);
        let attempt = Attempt {
            number,
            node,
            phase: Phase::Placed,
            runway,
            alternative,
            until: None,
            placed: at,
            started: None,
            stop: None,
            marks: None,
            ranks,
        };
        self.attempts.insert(task, attempt);
        if is_gang {
            self.seat(task, at);
            return self.requeue(task.job);
        }
        let known = self.known_node(node);
        if runway {
            known.runway.push_back(task);
        } else {
            self.hold(task, node, at);
        }
        self.reoffer(node);
        self.requeue(task.job);
    }

    /// A task has what it asked for from now on.
    fn hold(&mut self, task: TaskId, node: NodeId, at: Timestamp) {
        let spec = self.jobs[&task.job].spec.clone();
        let attempt = self.attempts.get_mut(&task).expect("what holds is a live attempt");
        attempt.runway = false;
        let asked = spec.amounts(attempt.alternative);
        let node = self.nodes.get_mut(&node).expect("an attempt is on a known node");
        node.holding.insert(task);
        node.take(asked, spec.constraints.exclusive);
        attempt.until = spec.time_limit.or(spec.expected).map(|bound| at + bound);
        let until = attempt.until;
        until.map(|until| self.ends.insert((until, task)));
        self.backlog.starts(self.processors(task), until, self.now);
        self.share(&spec.project, &Amounts::Taken(asked), at);
    }

    /// How many processors a live attempt takes in all.
    pub(in crate::state) fn processors(&self, task: TaskId) -> Cpus {
        let alternative = self.attempts[&task].alternative;
        self.jobs[&task.job].spec.processors(alternative)
    }

    pub(super) fn started(&mut self, id: AttemptId, started: Timestamp, at: Timestamp) {
        let Some(attempt) = self.attempts.get_mut(&id.task) else {
            return;
        };
        attempt.started = Some(started);
        if let Some(phase) = attempt::after(attempt.phase, attempt::Event::Started) {
            attempt.phase = phase;
        }
        let Some(before) = attempt.until else {
            return;
        };
        // Its time runs from its start, which is what its agent measures.
        let start = started.max(attempt.placed).min(at.max(attempt.placed));
        let until = start + before.since(attempt.placed);
        self.expect_end(id.task, until);
    }

    /// A task that holds something of its node will give it back at another time than was known.
    pub(in crate::state) fn expect_end(&mut self, task: TaskId, until: Timestamp) {
        let (cpus, now) = (self.processors(task), self.now);
        let attempt = self.attempts.get_mut(&task).expect("only a live attempt is asked for");
        if attempt.runway {
            return;
        }
        let before = attempt.until.replace(until);
        before.map(|before| self.ends.remove(&(before, task)));
        self.ends.insert((until, task));
        self.backlog.ends(cpus, before, now);
        self.backlog.starts(cpus, Some(until), now);
    }

    pub(super) fn attempt_ended(&mut self, ended: &AttemptEnded, at: Timestamp) {
        let AttemptId { task, number } = ended.attempt;
        let attempt = self.attempts.remove(&task).expect("only a live attempt ends");
        let asked = self.jobs[&task.job].spec.clone();
        if ended.outcome.has_run_its_course() {
            let took = Span::from_millis(ended.usage.wall_us / 1000);
            let estimated = asked.expected.or(asked.time_limit).unwrap_or(UNKNOWN);
            self.backlog.learns(asked.processors(attempt.alternative), took, estimated);
        }
        let job = self.known_job(task.job);
        let place = job.place(task).expect("an attempt's task is in its array");
        let node = attempt.end_node();
        job.live -= 1;
        let tries = job.tries.entry(place).or_default();
        tries.number = number;
        let got_nowhere =
            ended.again_after.is_some() && matches!(ended.outcome, Outcome::Checkpointed { .. });
        tries.checkpoints = if got_nowhere { tries.checkpoints.saturating_add(1) } else { 0 };
        match ended.fault {
            Fault::None => {}
            Fault::User => tries.user += 1,
            Fault::System => tries.system += 1,
        }
        if matches!(ended.outcome, Outcome::NotStarted { .. }) {
            tries.avoid.push(node);
        }
        let (class, project) = (asked.class.clone(), asked.project.clone());
        let given_up = GivenUp {
            rank: ended.attempt.rank(0),
            class,
            project,
            submitter: job.submitter.clone(),
        };
        if matches!(ended.sequel, Sequel::Succeeded | Sequel::Cancelled) {
            job.checkpoints.remove(&place);
        }
        if ended.outcome.is_success() {
            job.pace_us = Some(pace::after(job.pace_us, ended.usage.wall_us));
        }
        match ended.sequel {
            Sequel::Succeeded => {
                job.succeeded += 1;
                job.tries.remove(&place);
                for node in attempt.nodes() {
                    if job.passed_on.len() < 2 && !job.passed_on.contains(&node) {
                        job.passed_on.push(node);
                    }
                }
            }
            Sequel::Failed => {
                tries.exit_code = ended.outcome.exit_code();
                if job.failed.is_empty() {
                    job.exit_code = tries.exit_code;
                }
                job.failed.insert(place);
            }
            Sequel::Cancelled => {
                job.cancelled.insert(place);
                job.tries.remove(&place);
            }
            Sequel::Again => {
                job.pending.insert(place);
                if let Some(at) = ended.again_after {
                    job.delayed.insert((at, place));
                }
            }
        }
        if matches!(ended.outcome, Outcome::Lost { .. }) && attempt.ranks.is_none() {
            self.known_node(node).give_up(given_up);
        }
        if ended.sequel == Sequel::Succeeded {
            for node in attempt.nodes() {
                self.note_failure(ended, node);
            }
        } else {
            self.note_failure(ended, node);
        }
        if ended.outcome == Outcome::Recalled && attempt.phase == Phase::Placed {
            // Nobody has asked for it: the agent is about to leave, and would do so again at once.
            self.rest(node, at + REST);
        }
        if attempt.ranks.is_none() {
            self.release(task, &attempt, &asked, at);
        } else {
            // Its ranks have given back what they held.
            attempt.until.map(|until| self.ends.remove(&(until, task)));
            let cpus = asked.processors(attempt.alternative);
            self.backlog.ends(cpus, attempt.until, self.now);
        }
        if ended.outcome.is_success() {
            self.note_run(task.job, ended.usage.wall_us);
        }
        let end = match ended.sequel {
            Sequel::Succeeded => Some(JobState::Succeeded),
            Sequel::Cancelled => Some(JobState::Cancelled),
            // A failure is final only when the job has ended: until then a node may give it back.
            Sequel::Failed | Sequel::Again => None,
        };
        if let Some(end) = end {
            self.unblock(task.job, &[place].into_iter().collect(), end);
        }
        self.requeue(task.job);
    }

    /// Takes a task off its node and gives what it held to those that wait there.
    fn release(&mut self, task: TaskId, attempt: &Attempt, spec: &JobSpec, at: Timestamp) {
        let id = attempt.node;
        let node = self.known_node(id);
        if node.holding.remove(&task) {
            let asked = spec.amounts(attempt.alternative);
            node.give(asked, spec.constraints.exclusive);
            attempt.until.map(|until| self.ends.remove(&(until, task)));
            let cpus = spec.processors(attempt.alternative);
            self.backlog.ends(cpus, attempt.until, self.now);
            self.share(&spec.project, &Amounts::Given(asked), at);
        } else {
            node.runway.retain(|waiting| *waiting != task);
        }
        self.promote(id, at);
    }

    /// Gives what is free on a node to those that wait there.
    pub(in crate::state) fn promote(&mut self, id: NodeId, at: Timestamp) {
        while let Some(front) = self.nodes[&id].runway.front().copied() {
            let wanted = self.asked(front).expect("what waits on a node is a live attempt");
            if !self.nodes[&id].free().holds(wanted) {
                break;
            }
            self.known_node(id).runway.pop_front();
            self.hold(front, id, at);
        }
        self.reoffer(id);
    }
}
