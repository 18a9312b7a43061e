//! A turn in the making: each fact is true as soon as it is written down.

use repower_model::{
    AttemptId, IndexRange, JobId, NodeId, Outcome, RankId, Sequel, StopReason, Stored, Timestamp,
};

use crate::effect::{Answer, Effect, Turn};
use crate::fact::{AttemptEnded, Entry, Fact, RankEnded};
use crate::life::attempt::{self, Event};
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

    /// What follows from a fact that is not true yet.
    fn owed(&self, fact: &Fact) -> Vec<Effect> {
        match fact {
            Fact::AttemptPlaced { attempt, node, parts, .. } => {
                let start = |node| Effect::Start { node, attempt: *attempt };
                if parts.is_empty() {
                    vec![start(*node)]
                } else {
                    parts.iter().map(|part| start(part.node)).collect()
                }
            }
            Fact::AttemptStopping { attempt, why, .. } => {
                let left = self.left(*attempt).into_iter();
                left.map(|(rank, node)| Effect::Stop { node, rank, why: *why }).collect()
            }
            Fact::JobEnded { job, .. } => {
                let forget = Effect::Forget { job: *job };
                let needless = self.state.job(*job).map(|job| job.needless(|_| true));
                needless.into_iter().flatten().chain([forget]).collect()
            }
            Fact::TasksCancelled { job, tasks, .. } => self.owed_by_cancelled(*job, tasks),
            Fact::CheckpointSettled { attempt, kept } => self.owed_by_saved(*attempt, kept),
            Fact::DigestQuarantined { .. } | Fact::DigestReleased { .. } => vec![Effect::Forbid],
            Fact::RankEnded(ended) => self.owed_by_rank(ended),
            Fact::AttemptEnded(ended) => self.owed_by_end(ended),
            Fact::CellFounded { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::JobSubmitted(_)
            | Fact::SubmissionRefused(_)
            | Fact::JobReviewed { .. }
            | Fact::ApprovalGiven(_)
            | Fact::ApprovalEnded { .. }
            | Fact::DependencySettled { .. }
            | Fact::PlacePromised { .. }
            | Fact::AttemptStarted { .. }
            | Fact::RankStarted { .. }
            | Fact::OutputsKept(_)
            | Fact::ProgressClaimed { .. }
            | Fact::StopStepTaken { .. }
            | Fact::TaskEntered { .. }
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
            | Fact::TokenRevoked { .. }
            // What they call for depends on more than the fact: the one who decides owes it.
            | Fact::FindingOpened(_)
            | Fact::FindingSeen(_)
            | Fact::FindingReviewed { .. } => Vec::new(),
        }
    }

    /// Of what was lost, its agent has to hear; and what the task has saved is needed only if it goes on.
    fn owed_by_end(&self, ended: &AttemptEnded) -> Vec<Effect> {
        let task = ended.attempt.task;
        let plain = self.state.attempts.get(&task).filter(|plain| plain.ranks.is_none());
        let gone = plain.and_then(|plain| gone(&ended.outcome, ended.attempt.into(), plain.node));
        let is_over = matches!(ended.sequel, Sequel::Succeeded | Sequel::Cancelled);
        let job = self.state.job(task.job).filter(|job| is_over && !job.checkpoints.is_empty());
        let needless = job.map(|job| job.needless(|place| job.place(task) == Some(place)));
        gone.into_iter().chain(needless.into_iter().flatten()).collect()
    }

    /// Tasks that never start again need nothing of what they have saved.
    fn owed_by_cancelled(&self, job: JobId, tasks: &[IndexRange]) -> Vec<Effect> {
        let Some(job) = self.state.job(job).filter(|job| !job.checkpoints.is_empty()) else {
            return Vec::new();
        };
        let ranges: Vec<(u32, u32)> =
            tasks.iter().flat_map(|range| job.spec.array.places(*range)).collect();
        let is_in = |place| ranges.iter().any(|(first, last)| (*first..=*last).contains(&place));
        job.needless(|place| job.pending.contains(place) && is_in(place))
    }

    /// A new checkpoint takes the place of the one before, wherever that is.
    fn owed_by_saved(&self, id: AttemptId, kept: &Result<Stored, String>) -> Vec<Effect> {
        let (Ok(stored), Some(live)) = (kept, self.state.attempts.get(&id.task)) else {
            return Vec::new();
        };
        let job = self.state.job(id.task.job);
        let before = job.and_then(|job| job.checkpoints.get(&job.place(id.task)?));
        before.map(|before| before.outdated(stored, live.node, id.task)).unwrap_or_default()
    }

    /// A rank that has not succeeded takes the others with it. They are cancelled, not given up: what
    /// they hold is theirs until their nodes say that they have ended.
    fn owed_by_rank(&self, ended: &RankEnded) -> Vec<Effect> {
        let RankId { attempt, rank } = ended.rank;
        let Some(live) = self.state.attempts.get(&attempt.task) else { return Vec::new() };
        let breaks =
            !ended.outcome.is_success() && attempt::after(live.phase, Event::Break).is_some();
        let others = self.left(attempt).into_iter();
        let others = others.filter(|(other, _)| breaks && other.rank != rank);
        let why = broken_by(&ended.outcome);
        let own = live.ranks.as_ref().and_then(|ranks| ranks.node_of(rank));
        let own = own.and_then(|node| gone(&ended.outcome, ended.rank, node));
        own.into_iter().chain(others.map(|(rank, node)| Effect::Stop { node, rank, why })).collect()
    }

    /// What of an attempt has not ended, and where.
    pub(crate) fn left(&self, attempt: AttemptId) -> Vec<(RankId, NodeId)> {
        let live = self.state.attempts.get(&attempt.task);
        let left = live.map(crate::state::Attempt::left).unwrap_or_default();
        left.into_iter().map(|(rank, node)| (attempt.rank(rank), node)).collect()
    }
}

/// What the others of a gang are told when the end of one rank ends the attempt: one that has saved
/// its work wants the others to do the same.
pub(crate) fn broken_by(outcome: &Outcome) -> StopReason {
    if matches!(outcome, Outcome::Checkpointed { .. }) {
        StopReason::Checkpointed
    } else {
        StopReason::Cancelled
    }
}

/// The agent of what was lost may still run it, and must not: the task may start elsewhere.
fn gone(outcome: &Outcome, rank: RankId, node: NodeId) -> Option<Effect> {
    let is_gone = matches!(outcome, Outcome::Lost { .. });
    is_gone.then_some(Effect::Stop { node, rank, why: StopReason::Stale })
}
