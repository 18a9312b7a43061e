//! Nodes that take work, by what they have free and by who waits on them.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{Cpus, NodeId, Resources};
use serde::{Deserialize, Serialize};

use super::Node;

/// Nodes that take work, indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    free: BTreeSet<(Cpus, NodeId)>,
    runways: BTreeSet<(usize, NodeId)>,
    known: BTreeMap<NodeId, (Option<Cpus>, Option<usize>)>,
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

    pub(crate) fn update(&mut self, node: &Node, free: &Resources) {
        let takes = node.takes_work();
        let waiting = node.runway.len();
        let entry = (
            (takes && waiting == 0).then_some(free.cpus),
            (takes || waiting > 0).then_some(waiting),
        );
        let before = self.known.insert(node.id, entry).unwrap_or((None, None));
        if before.0 != entry.0 {
            before.0.map(|cpus| self.free.remove(&(cpus, node.id)));
            entry.0.map(|cpus| self.free.insert((cpus, node.id)));
        }
        if before.1 != entry.1 {
            before.1.map(|length| self.runways.remove(&(length, node.id)));
            entry.1.map(|length| self.runways.insert((length, node.id)));
        }
    }
}
