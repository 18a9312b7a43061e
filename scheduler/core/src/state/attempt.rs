//! An attempt that is on a node, or, of a gang, on several.

use std::collections::BTreeSet;

use repower_model::{NodeId, NodePhase, Outcome, StopCause, StopStep, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Node, Ranks, State};
use crate::life::attempt::Phase;

/// The latest attempt of a task, while it is on its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1; only grows.
    pub number: u32,
    /// Where; of a gang, where its first rank is.
    pub node: NodeId,
    /// How far it is.
    pub phase: Phase,
    /// Whether it waits there for a slot, and holds nothing of the node yet.
    pub runway: bool,
    /// Which of its job's amounts it has: 0, or the number of an alternative.
    pub alternative: u32,
    /// When it will give back what it holds at the latest; `None`: nobody knows, or it waits.
    pub until: Option<Timestamp>,
    /// When it was placed.
    pub placed: Timestamp,
    /// Since when it runs: all of it, if it is a gang.
    pub started: Option<Timestamp>,
    /// How far its nodes are with ending it; `None`: they have not begun.
    pub stop: Option<Box<Stopped>>,
    /// What its processes have left behind. In a box, because few attempts leave anything, and those only at
    /// their end.
    pub marks: Option<Box<Marks>>,
    /// Of a gang: its ranks. In a box, because there are many plain attempts and few gangs.
    pub ranks: Option<Box<Ranks>>,
}

/// What the processes of an attempt have left behind, by their ranks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// Those of which outputs are in the store.
    pub kept: BTreeSet<u32>,
    /// Those of which it is known what they said last of their progress.
    pub claimed: BTreeSet<u32>,
}

/// The latest signal that ends an attempt, or a rank of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// How far the stop is.
    pub step: StopStep,
    /// Why it is stopped.
    pub cause: StopCause,
    /// The signal's number.
    pub signal: i32,
    /// When it was sent, by the clock of the node.
    pub taken: Timestamp,
}

impl Attempt {
    /// Whether a node has something of it that has not ended.
    pub fn is_on(&self, node: NodeId) -> bool {
        self.processes_on(node) > 0
    }

    /// How many of its processes are on a node and have not ended.
    pub fn processes_on(&self, node: NodeId) -> u32 {
        match &self.ranks {
            None => u32::from(self.node == node),
            Some(ranks) => ranks.left_on(node),
        }
    }

    /// Whether this rank of it is on a node and has not ended.
    pub fn has(&self, rank: u32, node: NodeId) -> bool {
        match &self.ranks {
            None => rank == 0 && self.node == node,
            Some(ranks) => ranks.on(node).contains(&rank) && !ranks.ended.contains(rank),
        }
    }

    /// A node that has something of it and cannot be reached; `None`: all can.
    pub fn out_of_touch<'a>(&self, state: &'a State) -> Option<&'a Node> {
        let mut nodes = self.nodes().into_iter().filter(|id| self.is_on(*id));
        nodes.find_map(|id| state.nodes.get(&id).filter(|node| node.phase != NodePhase::Up))
    }

    /// Its processes that have not ended, with their nodes.
    pub fn left(&self) -> Vec<(u32, NodeId)> {
        match &self.ranks {
            None => vec![(0, self.node)],
            Some(ranks) => ranks.left().collect(),
        }
    }

    /// How far the stop of one of its processes is; `None`: it has not begun.
    pub fn step_of(&self, rank: u32) -> Option<StopStep> {
        match &self.ranks {
            None => self.stop.as_ref().map(|stop| stop.step),
            Some(ranks) => ranks.steps.get(&rank).copied(),
        }
    }

    /// All nodes that it was given to.
    pub fn nodes(&self) -> Vec<NodeId> {
        match &self.ranks {
            None => vec![self.node],
            Some(ranks) => ranks.parts.iter().map(|part| part.node).collect(),
        }
    }

    /// The node on which it came to its end: of a gang that of the rank that the others could not go
    /// on without.
    pub fn end_node(&self) -> NodeId {
        let cause = self.ranks.as_ref().and_then(|ranks| Some((ranks, ranks.cause.as_ref()?)));
        cause.and_then(|(ranks, cause)| ranks.node_of(cause.rank)).unwrap_or(self.node)
    }

    /// How far one of its ranks is.
    pub fn phase_of(&self, rank: u32) -> Phase {
        match (self.phase, &self.ranks) {
            (Phase::Placed | Phase::Recalled | Phase::Running, Some(ranks)) => {
                if ranks.started.contains(rank) { Phase::Running } else { Phase::Placed }
            }
            (phase, _) => phase,
        }
    }
}

/// What is said of a rank whose end ended the attempt: which one, and where it was.
pub(crate) fn named(outcome: Outcome, rank: u32, node: &str) -> Outcome {
    let named = |detail: String| format!("rank {rank} on {node}: {detail}");
    match outcome {
        Outcome::Lost { detail } => Outcome::Lost { detail: named(detail) },
        Outcome::NotStarted { detail } => Outcome::NotStarted { detail: named(detail) },
        Outcome::Exited { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::Cancelled
        | Outcome::Recalled
        | Outcome::OutOfMemory
        | Outcome::Preempted
        | Outcome::Drained
        | Outcome::Checkpointed { .. }
        | Outcome::Finding { .. } => outcome,
    }
}
