//! Files of jobs: inputs before an attempt may wait for its turn, outputs after its process has ended.

use std::sync::Arc;

use repower_model::{Artefact, AttemptId, JobId, Keep, Outcome, RankId, TaskId};

use super::{Inputs, Session};
use crate::phase::{End, Event, Held, Phase};
use crate::{Action, Now, Report};

impl Session {
    /// The inputs of a job are here: its attempts join the queue.
    pub(super) fn staged(&mut self, job: JobId, now: Now, actions: &mut Vec<Action>) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.inputs = Inputs::Here;
        }
        for attempt in self.staging(job) {
            self.step(attempt, &Event::Staged, now, actions);
            self.slots.push(attempt);
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
            self.step(attempt, &Event::NotStarted { detail }, now, actions);
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
        if spec.outputs.is_empty() {
            return self.end(id, false, end, now, actions);
        }
        if !end.outcome.as_ref().is_some_and(|outcome| keeps(spec.keep_outputs, outcome)) {
            self.end(id, false, end, now, actions);
            actions.push(Action::Discard(id));
            return;
        }
        match end.held {
            Held::Nothing => {}
            Held::Resources => self.slots.give_back(&spec.resources),
            Held::Output => actions.push(Action::CloseOutput { attempt: id }),
        }
        let definition = Arc::clone(&attempt.definition);
        attempt.phase = Phase::Collecting { end: End { held: Held::Nothing, ..end } };
        self.set_due(id, None);
        actions.push(Action::Collect { attempt: id, definition });
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
        let collecting = self.attempts.get(&id).map(|attempt| &attempt.phase);
        if let Some(Phase::Collecting { .. }) = collecting {
            self.outbox.push(Report::Kept { attempt: id, artefacts, missing });
            self.step(id, &Event::Collected, now, actions);
        }
    }
}

/// Whether the outputs of a process that ended like this are wanted.
fn keeps(keep: Keep, outcome: &Outcome) -> bool {
    let failed = match outcome {
        Outcome::Exited { code } => *code != 0,
        Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::OutOfMemory
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
