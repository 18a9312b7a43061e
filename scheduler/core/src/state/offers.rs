//! Nodes that take work, by what they have free and by who waits on them.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{Cpus, NodeId, NodePhase, Resources};
use serde::{Deserialize, Serialize};

use super::Node;

/// Nodes that take work, indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    free: BTreeSet<(Cpus, NodeId)>,
    runways: BTreeSet<(usize, NodeId)>,
    known: BTreeMap<NodeId, Known>,
    /// Nodes by when they last had more to offer than before.
    grown: BTreeSet<(u64, NodeId)>,
    tick: u64,
    total: Resources,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    free: Option<Resources>,
    waiting: Option<usize>,
    grown: u64,
    capacity: Option<Resources>,
}

impl Offers {
    /// Nodes with at least so many processors free and nobody waiting on them, tightest first.
    pub fn with_free(&self, cpus: Cpus) -> impl DoubleEndedIterator<Item = NodeId> {
        self.free.range((cpus, NodeId(0))..).map(|(_, node)| *node)
    }

    /// Nodes with so many tasks waiting on them, shortest runway first.
    pub fn runways(&self) -> impl DoubleEndedIterator<Item = (usize, NodeId)> {
        self.runways.iter().copied()
    }

    /// The most processors that any node has free.
    pub fn most_free(&self) -> Option<Cpus> {
        self.free.last().map(|(cpus, _)| *cpus)
    }

    /// How often a node had more to offer than before.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Nodes that had more to offer than before since a tick.
    pub fn grown_since(&self, tick: u64) -> impl Iterator<Item = NodeId> {
        self.grown.range((tick + 1, NodeId(0))..).map(|(_, node)| *node)
    }

    /// What all nodes together have that are up.
    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// Something other than an amount has changed on a node that may matter to a task.
    pub(crate) fn touch(&mut self, node: NodeId) {
        let known = self.known.entry(node).or_default();
        self.grown.remove(&(known.grown, node));
        self.tick += 1;
        known.grown = self.tick;
        self.grown.insert((self.tick, node));
    }

    pub(crate) fn update(&mut self, node: &Node) {
        let takes = node.takes_work();
        let length = node.runway.len();
        let free = (takes && length == 0).then(|| node.free());
        let waiting = (takes || length > 0).then_some(length);
        let capacity = (node.phase == NodePhase::Up).then(|| node.capacity().clone());
        let known = self.known.entry(node.id).or_default();
        if known.capacity != capacity {
            if let Some(before) = &known.capacity {
                self.total = self.total.less(before);
            }
            if let Some(now) = &capacity {
                self.total = self.total.plus(now);
            }
            known.capacity = capacity;
        }
        if known.waiting != waiting {
            known.waiting.map(|length| self.runways.remove(&(length, node.id)));
            waiting.map(|length| self.runways.insert((length, node.id)));
            known.waiting = waiting;
        }
        if known.free == free {
            return;
        }
        let grows = match (&known.free, &free) {
            (Some(before), Some(now)) => !before.holds(now),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if let Some(before) = &known.free {
            self.free.remove(&(before.cpus, node.id));
        }
        if let Some(now) = &free {
            self.free.insert((now.cpus, node.id));
        }
        known.free = free;
        if grows {
            self.touch(node.id);
        }
    }
}
