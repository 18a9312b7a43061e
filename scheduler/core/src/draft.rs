//! A turn in the making: each fact is true as soon as it is written down.

use repower_model::{StopReason, Timestamp};

use crate::effect::{Answer, Effect, Turn};
use crate::fact::{Entry, Fact};
use crate::state::State;

/// A turn in the making. Decisions read the state through it, so what they decide next stands on
/// what they have decided before.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    state: &'a mut State,
    now: Timestamp,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a mut State, now: Timestamp) -> Self {
        Self { state, now, facts: Vec::new(), effects: Vec::new() }
    }

    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a fact down, makes it true, and owes what follows from it.
    pub(crate) fn push(&mut self, fact: Fact) {
        let entry = Entry { seq: self.state.seq, at: self.now, fact };
        self.effects.extend(self.owed(&entry.fact));
        self.state.apply(&entry);
        self.facts.push(entry.fact);
    }

    /// Owes something that no new fact says.
    pub(crate) fn owe(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn finish(self, answer: Answer) -> Turn {
        Turn { facts: self.facts, effects: self.effects, answer }
    }

    fn owed(&self, fact: &Fact) -> Option<Effect> {
        match fact {
            Fact::AttemptPlaced { attempt, node, .. } => {
                Some(Effect::Start { node: *node, attempt: *attempt })
            }
            Fact::AttemptStopping { attempt, why, .. } => {
                let node = self.state.attempts.get(&attempt.task)?.node;
                Some(Effect::Stop { node, attempt: *attempt, why: *why })
            }
            Fact::JobEnded { job, .. } => Some(Effect::Forget { job: *job }),
            // Its agent may still run it, and must not: the task may start elsewhere.
            Fact::AttemptEnded(ended) => {
                let attempt = self.state.attempts.get(&ended.attempt.task)?;
                let gone = matches!(ended.outcome, repower_model::Outcome::Lost { .. });
                gone.then_some(Effect::Stop {
                    node: attempt.node,
                    attempt: ended.attempt,
                    why: StopReason::Stale,
                })
            }
            Fact::CellFounded { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::JobSubmitted(_)
            | Fact::SubmissionRefused(_)
            | Fact::JobReviewed { .. }
            | Fact::DependencySettled { .. }
            | Fact::TasksCancelled { .. }
            | Fact::AttemptStarted { .. }
            | Fact::TaskReturned { .. }
            | Fact::NodeEnrolled { .. }
            | Fact::NodeConnected { .. }
            | Fact::NodeLost { .. }
            | Fact::NodeLeft { .. }
            | Fact::NodeDrained { .. }
            | Fact::NodeResumed { .. }
            | Fact::NodeHeldBack { .. }
            | Fact::ReservationMade(_)
            | Fact::ReservationEnded { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenUsed { .. }
            | Fact::TokenRevoked { .. } => None,
        }
    }
}
