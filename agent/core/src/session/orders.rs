//! What the scheduler orders.

use std::sync::Arc;

use repower_model::{AttemptId, JobId, Outcome, RankId, StopReason, Usage};

use super::{Inputs, Job, Order, Session};
use crate::attempt::Attempt;
use crate::phase::{Event, Phase, Why};
use crate::{Action, Definition, Now, Report};

impl Session {
    pub(super) fn define(&mut self, definition: Definition) {
        let job = definition.job;
        if let Some(known) = self.jobs.get_mut(&job) {
            // A job never changes, so what runs and what will run share one definition.
            known.forgotten = false;
            return;
        }
        let definition = Arc::new(definition);
        let spec = &definition.spec;
        let needs_nothing = spec.inputs.is_empty() && spec.image.is_empty();
        let inputs = if needs_nothing { Inputs::Here } else { Inputs::Elsewhere };
        self.jobs.insert(job, Job { definition, unended: 0, forgotten: false, inputs });
    }

    pub(super) fn forget(&mut self, job: JobId, actions: &mut Vec<Action>) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.forgotten = true;
            self.sweep(job, actions);
        }
    }

    /// Drops a job that was forgotten and has no attempt left.
    pub(super) fn sweep(&mut self, job: JobId, actions: &mut Vec<Action>) {
        if self.jobs.get(&job).is_some_and(|job| job.forgotten && job.unended == 0) {
            self.jobs.remove(&job);
            actions.push(Action::ForgetJob(job));
        }
    }

    pub(super) fn start(
        &mut self,
        attempt: AttemptId,
        order: &Order,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        // Who leaves gives nothing back: the scheduler would place it here again. With the goodbye it
        // ends whatever it placed here that never ran.
        if self.leaving {
            return;
        }
        let ranks = order.rendezvous.as_ref().map_or(0..1, |rendezvous| rendezvous.local());
        for rank in ranks {
            self.start_one(attempt.rank(rank), order, now, actions);
        }
    }

    fn start_one(&mut self, attempt: RankId, order: &Order, now: Now, actions: &mut Vec<Action>) {
        if self.attempts.contains_key(&attempt) {
            return;
        }
        let job = attempt.attempt.task.job;
        let Some(known) = self.jobs.get_mut(&job) else {
            let detail = format!("the scheduler never said what job {job} is");
            return self.refuse(attempt, Outcome::Lost { detail }, now);
        };
        let definition = Arc::clone(&known.definition);
        let others = definition.spec.alternatives.len();
        if let Some(number) = order.alternative.filter(|number| *number as usize > others) {
            let detail = format!(
                "the scheduler has placed it by alternative {number}, but job {job} has {others}"
            );
            return self.refuse(attempt, Outcome::Lost { detail }, now);
        }
        let amounts = definition.spec.amounts(order.alternative.unwrap_or(0));
        let short = self.slots.capacity().shortages(amounts);
        if let Some(short) = short.first() {
            let (asked, given) =
                (short.dimension.show(short.asked), short.dimension.show(short.given));
            let detail =
                format!("the task needs {asked} of {}, but this node has {given}", short.dimension);
            return self.refuse(attempt, Outcome::Lost { detail }, now);
        }
        known.unended += 1;
        let inputs = known.inputs;
        if inputs == Inputs::Elsewhere {
            known.inputs = Inputs::Coming;
            actions.push(Action::Stage(Arc::clone(&definition)));
        }
        self.unended += 1;
        let (alternative, rendezvous) = (order.alternative, order.rendezvous.clone());
        let mut known = Attempt::new(definition, alternative, rendezvous, Phase::Staging);
        let is_ready = inputs == Inputs::Here && known.is_restored;
        if is_ready {
            known.phase = Phase::Waiting;
            self.slots.push(attempt);
        }
        if !known.is_restored {
            actions.push(Action::Restore { attempt, checkpoint: order.checkpoint });
        }
        self.attempts.insert(attempt, known);
    }

    /// Gives back an attempt that cannot be started here at all.
    fn refuse(&mut self, attempt: RankId, outcome: Outcome, now: Now) {
        self.outbox.push(Report::Ended {
            attempt,
            outcome,
            usage: Usage::default(),
            started: None,
            ended: now.wall,
        });
    }

    pub(super) fn stop(
        &mut self,
        attempt: RankId,
        reason: StopReason,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let event = match reason {
            StopReason::Cancelled => Event::Stop(Why::Cancelled),
            StopReason::Recalled => Event::Recall,
            StopReason::Stale => Event::Stop(Why::Stale),
            StopReason::Preempted => Event::Stop(Why::Preempted),
            StopReason::Drained => Event::Stop(Why::Drained),
            StopReason::Checkpointed => Event::Stop(Why::Checkpointed),
            StopReason::Finding => Event::Stop(Why::Finding),
        };
        self.step(attempt, &event, now, actions);
        if reason == StopReason::Cancelled
            && self.attempts.get(&attempt).is_some_and(Attempt::is_over)
        {
            // What it has printed must not keep its end from being told.
            self.drop_held(attempt);
        }
    }
}
