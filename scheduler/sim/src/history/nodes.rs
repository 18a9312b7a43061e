//! What the journal says of nodes.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::fact::Fact;
use repower_model::{AttemptId, JobId, NodeId, OnDisconnect, RankId, StopStep};

use super::{Rule, hold};

/// Every node, as the facts tell it.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    all: BTreeMap<NodeId, Node>,
    on: BTreeMap<AttemptId, Vec<NodeId>>,
    /// Jobs whose tasks go on where they are when their node is lost.
    kept: BTreeSet<JobId>,
    /// How far the stop of each process is.
    steps: BTreeMap<RankId, StopStep>,
    /// Of which processes it is known what they claimed last.
    claimed: BTreeSet<RankId>,
}

#[derive(Debug, Default)]
struct Node {
    up: bool,
    drained: bool,
    held_back: bool,
    holds: BTreeSet<RankId>,
}

impl Nodes {
    /// A job was accepted.
    pub(super) fn submitted(&mut self, job: JobId, on_disconnect: OnDisconnect) {
        if on_disconnect == OnDisconnect::Keep {
            self.kept.insert(job);
        }
    }

    /// One process for each of the given nodes.
    pub(super) fn placed(&mut self, attempt: AttemptId, on: &[NodeId]) -> Result<(), Rule> {
        for (rank, id) in (0..).zip(on) {
            let node = self.all.get_mut(id).ok_or("attempts go to enrolled nodes")?;
            hold(
                node.up && !node.drained && !node.held_back,
                "attempts go to nodes that take work",
            )?;
            node.holds.insert(attempt.rank(rank));
        }
        hold(self.on.insert(attempt, on.to_vec()).is_none(), "an attempt is placed once")
    }

    /// Only of a process that its node still has.
    pub(super) fn holds(&self, rank: RankId) -> Result<(), Rule> {
        let on = self.on.get(&rank.attempt).into_iter().flatten();
        let held = on.filter_map(|node| self.all.get(node)).any(|node| node.holds.contains(&rank));
        hold(held, "what is said of a process is said while its node has it")
    }

    /// What a process has said last is known once.
    pub(super) fn claims(&mut self, rank: RankId) -> Result<(), Rule> {
        self.holds(rank)?;
        hold(self.claimed.insert(rank), "what a process has claimed last is one fact")
    }

    /// Signals that end a process come in order, none twice, and none after its end.
    pub(super) fn steps(&mut self, rank: RankId, step: StopStep) -> Result<(), Rule> {
        self.holds(rank)?;
        let before = self.steps.insert(rank, step);
        hold(before.is_none_or(|before| before < step), "a stop goes on step by step")
    }

    pub(super) fn ended(&mut self, rank: RankId) -> Result<(), Rule> {
        let on = self.on.get(&rank.attempt).ok_or("only what was placed ends")?;
        let on = usize::try_from(rank.rank).ok().and_then(|rank| on.get(rank));
        let node = on.and_then(|on| self.all.get_mut(on));
        hold(node.is_some_and(|node| node.holds.remove(&rank)), "an attempt ends once")
    }

    pub(super) fn changed(&mut self, fact: &Fact) -> Result<(), Rule> {
        match fact {
            Fact::NodeEnrolled { node, .. } => {
                let known = self.all.len();
                let is_next = usize::try_from(node.0).ok() == Some(known + 1);
                hold(is_next || self.all.contains_key(node), "ids of nodes are counted")?;
                self.all.entry(*node).or_default();
                Ok(())
            }
            Fact::NodeConnected { node, .. } => {
                let node = self.all.get_mut(node).ok_or("facts are about enrolled nodes")?;
                // What it had before it was lost has been given up by now, or is kept there.
                let kept = |rank: &RankId| self.kept.contains(&rank.attempt.task.job);
                let given_up = node.up || node.holds.iter().all(kept);
                hold(given_up, "a lost node has only what is kept there")?;
                node.up = true;
                Ok(())
            }
            Fact::NodeLost { node, .. } | Fact::NodeLeft { node, .. } => {
                let node = self.node(*node)?;
                hold(node.up, "only a node that is up is lost or leaves")?;
                node.up = false;
                Ok(())
            }
            Fact::NodeDrained { node, .. } => {
                self.node(*node)?.drained = true;
                Ok(())
            }
            Fact::NodeResumed { node, .. } => {
                let node = self.node(*node)?;
                (node.drained, node.held_back) = (false, false);
                Ok(())
            }
            Fact::NodeHeldBack { node, .. } => {
                self.node(*node)?.held_back = true;
                let left = self.all.values().any(|node| node.up && !node.held_back);
                hold(left, "the last node is never held back")
            }
            Fact::CellFounded { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::JobSubmitted(_)
            | Fact::SubmissionRefused(_)
            | Fact::JobReviewed { .. }
            | Fact::DependencySettled { .. }
            | Fact::TasksCancelled { .. }
            | Fact::JobEnded { .. }
            | Fact::AttemptPlaced { .. }
            | Fact::AttemptStarted { .. }
            | Fact::AttemptStopping { .. }
            | Fact::PlacePromised { .. }
            | Fact::AttemptEnded(_)
            | Fact::RankStarted { .. }
            | Fact::RankEnded(_)
            | Fact::OutputsKept(_)
            | Fact::ProgressClaimed { .. }
            | Fact::CheckpointSettled { .. }
            | Fact::StopStepTaken { .. }
            | Fact::TaskEntered { .. }
            | Fact::TaskReturned { .. }
            | Fact::ApprovalGiven(_)
            | Fact::ApprovalEnded { .. }
            | Fact::ReservationMade(_)
            | Fact::ReservationEnded { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenUsed { .. }
            | Fact::TokenRevoked { .. }
            | Fact::FindingOpened(_)
            | Fact::FindingSeen(_)
            | Fact::FindingReviewed { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. } => Ok(()),
        }
    }

    fn node(&mut self, id: NodeId) -> Result<&mut Node, Rule> {
        self.all.get_mut(&id).ok_or("facts are about enrolled nodes")
    }
}
