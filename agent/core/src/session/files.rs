//! Files of jobs: inputs before an attempt may wait for its turn, outputs after its process has ended.

use std::sync::Arc;

use repower_model::{Artefact, AttemptId, JobId, JobSpec, Keep, Outcome, RankId, Stored, TaskId};

use super::{Inputs, Session};
use crate::attempt::Attempt;
use crate::phase::{End, Event, Held, Left, Phase};
use crate::{Action, Now, Report};

impl Session {
    /// The inputs of a job are here: its attempts join the queue.
    pub(super) fn staged(&mut self, job: JobId, now: Now, actions: &mut Vec<Action>) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.inputs = Inputs::Here;
        }
        for attempt in self.staging(job) {
            self.queue(attempt, now, actions);
        }
    }

    /// What an earlier attempt has saved is here: this one joins the queue.
    pub(super) fn restored(&mut self, id: RankId, now: Now, actions: &mut Vec<Action>) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.is_restored = true;
        }
        self.queue(id, now, actions);
    }

    /// Lets an attempt join the queue of which everything is here.
    fn queue(&mut self, id: RankId, now: Now, actions: &mut Vec<Action>) {
        let inputs = self.jobs.get(&id.attempt.task.job).map(|job| job.inputs);
        let is_ready = |one: &Attempt| one.phase == Phase::Staging && one.is_restored;
        if inputs == Some(Inputs::Here) && self.attempts.get(&id).is_some_and(is_ready) {
            self.step(id, &Event::Staged, now, actions);
            self.slots.push(id);
        }
    }

    /// The inputs of a job cannot come: its attempts end, and the next one may try again.
    pub(super) fn not_staged(
        &mut self,
        job: JobId,
        detail: &str,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.inputs = Inputs::Elsewhere;
        }
        for attempt in self.staging(job) {
            let detail = detail.to_owned();
            let outcome = Outcome::NotStarted { detail };
            self.step(attempt, &Event::NotStarted { outcome }, now, actions);
        }
    }

    /// The attempts of a job that wait for its inputs.
    fn staging(&self, job: JobId) -> Vec<RankId> {
        let first = AttemptId { task: TaskId { job, index: 0 }, number: 0 }.rank(0);
        let of_job = self.attempts.range(first..).take_while(|(id, _)| id.attempt.task.job == job);
        of_job.filter(|(_, one)| one.phase == Phase::Staging).map(|(id, _)| *id).collect()
    }

    /// A process has ended, and its output is at the end: its outputs are brought back, if they are wanted.
    pub(super) fn finish(&mut self, id: RankId, end: End, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let spec = &attempt.definition.spec;
        let outcome = end.outcome.as_ref();
        let left = Left {
            outputs: !spec.outputs.is_empty()
                && outcome.is_some_and(|outcome| keeps(spec.keep_outputs, outcome)),
            saved: spec.checkpoint && outcome.is_some_and(|outcome| may_go_on(spec, outcome)),
        };
        if !left.is_some() {
            let has_outputs = !spec.outputs.is_empty();
            self.end(id, false, end, now, actions);
            actions.extend(has_outputs.then_some(Action::Discard(id)));
            return;
        }
        match end.held {
            Held::Nothing => {}
            Held::Resources => self.slots.give_back(attempt.amounts()),
            Held::Output => actions.push(Action::CloseOutput { attempt: id }),
        }
        let definition = Arc::clone(&attempt.definition);
        attempt.phase = Phase::Collecting { end: End { held: Held::Nothing, ..end }, left };
        self.set_due(id, None);
        if left.outputs {
            actions.push(Action::Collect { attempt: id, definition });
        }
        if left.saved {
            actions.push(Action::Save(id));
        }
    }

    /// What a process has made is in the store.
    pub(super) fn collected(
        &mut self,
        id: RankId,
        artefacts: Vec<Artefact>,
        missing: Vec<String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if self.left(id).is_some_and(|left| left.outputs) {
            self.outbox.push(Report::Kept { attempt: id, artefacts, missing });
            self.step(id, &Event::Collected, now, actions);
        }
    }

    /// What a process has saved is in the store, or will not be.
    pub(super) fn saved(
        &mut self,
        id: RankId,
        kept: Result<Stored, String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if self.left(id).is_some_and(|left| left.saved) {
            self.outbox.push(Report::Saved { attempt: id, kept });
            self.step(id, &Event::Saved, now, actions);
        }
    }

    /// What of a process that has ended is not in the store; `None`: it has not ended, or is over.
    fn left(&self, id: RankId) -> Option<Left> {
        match self.attempts.get(&id)?.phase {
            Phase::Collecting { left, .. } => Some(left),
            Phase::Staging
            | Phase::Waiting
            | Phase::Starting { .. }
            | Phase::Running
            | Phase::Saving { .. }
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Draining { .. }
            | Phase::Ended => None,
        }
    }
}

/// Whether a task may go on with what an attempt has saved that ended like this.
fn may_go_on(spec: &JobSpec, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Exited { code: 0 }
        | Outcome::Cancelled
        | Outcome::NotStarted { .. }
        | Outcome::Finding { .. }
        | Outcome::Recalled => false,
        Outcome::Exited { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::OutOfMemory => spec.retries.user > 0,
        Outcome::Preempted
        | Outcome::Drained
        | Outcome::Checkpointed { .. }
        | Outcome::Lost { .. } => true,
    }
}

/// Whether the outputs of a process that ended like this are wanted.
fn keeps(keep: Keep, outcome: &Outcome) -> bool {
    let failed = match outcome {
        Outcome::Exited { code } => *code != 0,
        Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::OutOfMemory
        | Outcome::Finding { .. }
        | Outcome::Cancelled => true,
        // It goes on elsewhere, or nobody waits for it any more.
        Outcome::Preempted
        | Outcome::Drained
        | Outcome::Checkpointed { .. }
        | Outcome::NotStarted { .. }
        | Outcome::Lost { .. }
        | Outcome::Recalled => return false,
    };
    match keep {
        Keep::Always => true,
        Keep::OnSuccess => !failed,
        Keep::OnFailure => failed,
    }
}
