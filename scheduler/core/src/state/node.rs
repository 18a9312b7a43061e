//! A node: a machine with an agent.

use std::collections::{BTreeSet, VecDeque};

use repower_model::{
    Hash, Instance, Inventory, NodeId, NodePhase, RankId, Resources, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::State;

/// A node: a machine with an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// SHA-256 of its certificate.
    pub fingerprint: Hash,
    /// Where it is.
    pub phase: NodePhase,
    /// The agent's process that holds or held the lease.
    pub instance: Option<Instance>,
    /// What that found.
    pub inventory: Inventory,
    /// By whom and why it gets no new work.
    pub drained: Option<(String, String)>,
    /// Why it is held back as a black hole.
    pub held_back: Option<String>,
    /// Until when it gets no new work, because it has given back what it was not asked for.
    pub rests_until: Option<Timestamp>,
    /// Since when it is in its phase.
    pub since: Timestamp,
    /// What the tasks on it hold.
    pub used: Resources,
    /// Tasks that hold something of it.
    pub holding: BTreeSet<TaskId>,
    /// Tasks that wait on it for a slot, in the order in which they will get one.
    pub runway: VecDeque<TaskId>,
    /// Processes on it that were given up, the latest last; at most [`Node::GIVEN_UP`]. The agent may yet
    /// tell what it has noticed about them.
    pub given_up: VecDeque<GivenUp>,
    /// Fast failures since something last passed here; at most [`Node::FAILURES`].
    pub failures: Vec<Failure>,
}

/// A task that failed fast on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which.
    pub task: TaskId,
    /// Whether it is not tried again.
    pub for_good: bool,
}

/// A process that was given up while its node could not be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// Which.
    pub rank: RankId,
    /// What its job declared.
    pub class: String,
    /// For which project.
    pub project: String,
    /// By whom.
    pub submitter: String,
}

impl State {
    /// Whether a node can have noticed something about a process: it has it, or had it when it was given up.
    pub fn may_tell_of(&self, rank: RankId, node: NodeId) -> bool {
        let live = self.attempts.get(&rank.attempt.task);
        live.is_some_and(|live| live.number == rank.attempt.number && live.has(rank.rank, node))
            || self.nodes.get(&node).is_some_and(|node| node.given_up(rank).is_some())
    }
}

impl Node {
    /// How many processes that were given up are remembered.
    pub const GIVEN_UP: usize = 64;

    /// What is known of a process that was given up on it.
    pub fn given_up(&self, rank: RankId) -> Option<&GivenUp> {
        self.given_up.iter().find(|one| one.rank == rank)
    }

    /// Remembers one.
    pub(crate) fn give_up(&mut self, one: GivenUp) {
        if self.given_up.len() >= Self::GIVEN_UP {
            self.given_up.pop_front();
        }
        self.given_up.push_back(one);
    }

    /// How many fast failures are remembered: what a black hole ate before anything passed
    /// elsewhere can be given back up to here.
    pub const FAILURES: usize = 1000;

    /// Whether it may get new work.
    pub fn takes_work(&self) -> bool {
        self.phase == NodePhase::Up
            && self.drained.is_none()
            && self.held_back.is_none()
            && self.rests_until.is_none()
    }

    /// What tasks can have of it when it is empty.
    pub fn capacity(&self) -> &Resources {
        &self.inventory.capacity
    }

    /// What is free.
    pub fn free(&self) -> Resources {
        self.capacity().less(&self.used)
    }

    /// A task takes what it asks for, or all there is.
    pub(crate) fn take(&mut self, asked: &Resources, exclusive: bool) {
        self.used = if exclusive { self.capacity().clone() } else { self.used.plus(asked) };
    }

    /// A task gives back what it took.
    pub(crate) fn give(&mut self, asked: &Resources, exclusive: bool) {
        self.used = if exclusive { Resources::default() } else { self.used.less(asked) };
    }

    /// Every task that is on it.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.holding.iter().chain(&self.runway).copied()
    }
}
