//! The ranks of a gang that is on its nodes.

use std::collections::BTreeMap;
use std::ops::Range;

use repower_model::{Indices, NodeId, Outcome, Part, StopStep, Timestamp, Usage};
use serde::{Deserialize, Serialize};

use crate::fact::RankEnded;
use crate::life::attempt::Phase;

/// The ranks of a gang that is on its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranks {
    /// Its nodes, none twice; ranks are numbered through them, in order.
    pub parts: Vec<Part>,
    /// Which have started.
    pub started: Indices,
    /// How far the stop is of those that have been signalled.
    pub steps: BTreeMap<u32, StopStep>,
    /// Which have ended: they hold nothing any more.
    pub ended: Indices,
    /// Why the attempt cannot succeed any more.
    pub cause: Option<Cause>,
    /// When the first one started.
    pub first_start: Option<Timestamp>,
    /// When the last of those that have ended did.
    pub last_end: Timestamp,
    /// What those that have ended used.
    pub usage: Usage,
}

/// The end of a rank that the others could not go on without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which.
    pub rank: u32,
    /// How it ended.
    pub outcome: Outcome,
}

impl Ranks {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts,
            started: Indices::default(),
            steps: BTreeMap::new(),
            ended: Indices::default(),
            cause: None,
            first_start: None,
            last_end: Timestamp::default(),
            usage: Usage::default(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.ranks))
    }

    /// The ranks on a node; none if it is not one of the gang's.
    pub fn on(&self, node: NodeId) -> Range<u32> {
        let mut first = 0;
        for part in &self.parts {
            if part.node == node {
                return first..first + part.ranks;
            }
            first += part.ranks;
        }
        0..0
    }

    /// Those of a node that have not ended.
    pub fn left_on(&self, node: NodeId) -> u32 {
        let all = self.on(node);
        let ended = self.ended.intervals().map(|(first, last)| {
            let (first, end) = (first.max(all.start), last.saturating_add(1).min(all.end));
            end.saturating_sub(first)
        });
        (all.end - all.start) - ended.sum::<u32>()
    }

    /// The node of a rank.
    pub fn node_of(&self, rank: u32) -> Option<NodeId> {
        let mut before = 0;
        self.parts
            .iter()
            .find(|part| {
                before += part.ranks;
                rank < before
            })
            .map(|part| part.node)
    }

    /// Those that have not ended, ascending, with their nodes.
    pub fn left(&self) -> impl Iterator<Item = (u32, NodeId)> + '_ {
        let nodes = self.parts.iter().flat_map(|part| (0..part.ranks).map(|_| part.node));
        (0..).zip(nodes).filter(|(rank, _)| !self.ended.contains(*rank))
    }

    /// Whether all have started.
    pub fn all_started(&self) -> bool {
        self.started.len() >= u64::from(self.count())
    }

    /// Whether all have ended.
    pub fn all_ended(&self) -> bool {
        self.ended.len() >= u64::from(self.count())
    }

    /// How the attempt ended, now that all of them have: as the rank that the others could not go on
    /// without, unless somebody wanted the end.
    pub fn outcome(&self, phase: Phase) -> Outcome {
        match (&self.cause, phase) {
            (None, _) => Outcome::Exited { code: 0 },
            (Some(_), Phase::Preempting) => Outcome::Preempted,
            (Some(_), Phase::Draining) => Outcome::Drained,
            (Some(_), Phase::Cancelling) => Outcome::Cancelled,
            (Some(cause), Phase::Placed | Phase::Recalled | Phase::Running | Phase::Ending) => {
                cause.outcome.clone()
            }
        }
    }

    pub(super) fn start(&mut self, rank: u32, at: Timestamp) {
        if self.started.insert(rank) {
            self.first_start = Some(self.first_start.map_or(at, |first| first.min(at)));
        }
    }

    pub(super) fn end(&mut self, ended: &RankEnded) {
        if let Some(at) = ended.started {
            self.start(ended.rank.rank, at);
        }
        self.ended.insert(ended.rank.rank);
        self.last_end = self.last_end.max(ended.ended);
        let (all, one) = (&mut self.usage, &ended.usage);
        all.wall_us = all.wall_us.max(one.wall_us);
        all.cpu_us = all.cpu_us.saturating_add(one.cpu_us);
        all.peak_memory_bytes = all.peak_memory_bytes.max(one.peak_memory_bytes);
        all.stdout_bytes = all.stdout_bytes.saturating_add(one.stdout_bytes);
        all.stderr_bytes = all.stderr_bytes.saturating_add(one.stderr_bytes);
        all.truncated |= one.truncated;
        all.read_bytes = all.read_bytes.saturating_add(one.read_bytes);
        all.written_bytes = all.written_bytes.saturating_add(one.written_bytes);
        all.oom_kills = all.oom_kills.saturating_add(one.oom_kills);
        let counts = !ended.outcome.is_success()
            && self.cause.as_ref().is_none_or(|cause| gives_way(&cause.outcome, &ended.outcome));
        if counts {
            let (rank, outcome) = (ended.rank.rank, ended.outcome.clone());
            self.cause = Some(Cause { rank, outcome });
        }
    }
}

/// The first failure is the cause, but for one thing: when a rank is lost with its node, the others
/// fail because they miss it, and that is known sooner.
fn gives_way(first: &Outcome, later: &Outcome) -> bool {
    let is_lost = matches!(later, Outcome::Lost { .. });
    is_lost
        && match first {
            Outcome::Exited { .. }
            | Outcome::Signalled { .. }
            | Outcome::TimedOut
            | Outcome::OutOfMemory
            | Outcome::NotStarted { .. } => true,
            Outcome::Cancelled
            | Outcome::Lost { .. }
            | Outcome::Recalled
            | Outcome::Preempted
            | Outcome::Drained
            | Outcome::Checkpointed { .. }
            | Outcome::Finding { .. } => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_found_by_their_number_and_by_their_node() {
        let part = |node, ranks| Part { node: NodeId(node), ranks };
        let mut ranks = Ranks::new(vec![part(7, 2), part(3, 1), part(5, 2)]);
        ranks.ended.insert(1);
        ranks.ended.insert(3);

        assert_eq!([0, 1, 2, 3, 4].map(|rank| ranks.node_of(rank).unwrap().0), [7, 7, 3, 5, 5]);
        assert_eq!(ranks.node_of(5), None);
        assert_eq!(ranks.on(NodeId(5)), 3..5);
        assert_eq!(ranks.on(NodeId(9)), 0..0);
        assert_eq!([7, 3, 5, 9].map(|node| ranks.left_on(NodeId(node))), [1, 1, 1, 0]);
        let left: Vec<_> = ranks.left().map(|(rank, node)| (rank, node.0)).collect();
        assert_eq!(left, [(0, 7), (2, 3), (4, 5)]);
    }
}
