//! How the facts about a stop change the state: what is being ended, how far that is, and when it
//! will be over.

use repower_model::{AttemptId, RankId, StopReason, StopStep, Timestamp};

use crate::life::attempt::{self, Event};
use crate::state::{State, Stopped};

impl State {
    /// The nodes of an attempt were told to end it.
    pub(super) fn stopping(&mut self, id: AttemptId, why: StopReason, at: Timestamp) {
        let event = match why {
            StopReason::Recalled => Event::Recall,
            StopReason::Preempted => Event::Preempt,
            StopReason::Drained => Event::Drain,
            StopReason::Checkpointed => Event::Break,
            StopReason::Cancelled | StopReason::Stale | StopReason::Finding => Event::Cancel,
        };
        let Some(attempt) = self.attempts.get_mut(&id.task) else {
            return;
        };
        let before = attempt.until.filter(|_| attempt.phase.is_stopping());
        if let Some(phase) = attempt::after(attempt.phase, event) {
            attempt.phase = phase;
        }
        let spec = &self.jobs[&id.task.job].spec;
        let by = match why {
            StopReason::Preempted | StopReason::Drained | StopReason::Checkpointed => {
                Some(at + spec.saving() + spec.grace)
            }
            StopReason::Cancelled => Some(at + spec.grace),
            StopReason::Finding => Some(at),
            StopReason::Recalled | StopReason::Stale => None,
        };
        if let Some(by) = by {
            // Of what is being ended already, a second reason may bring the end nearer, not move it away.
            self.expect_end(id.task, before.map_or(by, |before| before.min(by)));
        }
        if matches!(why, StopReason::Cancelled | StopReason::Finding) {
            self.known_job(id.task.job).stopped = true;
        }
    }

    /// An agent has sent an attempt, or a rank of it, a signal that ends it.
    pub(super) fn step_taken(&mut self, id: RankId, stop: Stopped, at: Timestamp) {
        let task = id.attempt.task;
        let Some(attempt) = self.attempts.get_mut(&task) else {
            return;
        };
        if let Some(ranks) = attempt.ranks.as_mut() {
            ranks.steps.insert(id.rank, stop.step);
        }
        // The last of the ranks that are ended counts.
        let before = attempt.until.filter(|_| attempt.ranks.is_some());
        attempt.stop = Some(Box::new(stop));
        let spec = &self.jobs[&task.job].spec;
        let by = match stop.step {
            StopStep::Checkpoint => at + spec.saving() + spec.grace,
            StopStep::Terminate => at + spec.grace,
            StopStep::Kill => at,
        };
        self.expect_end(task, before.map_or(by, |before| before.max(by)));
    }
}
