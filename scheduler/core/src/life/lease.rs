//! Leases: which nodes have been heard of lately.
//!
//! A lease is no fact: it is what its driver heard since it started. Only its end becomes one.

use std::collections::BTreeMap;

use repower_model::{NodeId, Span, Timestamp};

/// When each node was last heard of.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    heard: BTreeMap<NodeId, Timestamp>,
}

impl Leases {
    /// A node was heard of.
    pub fn heard(&mut self, node: NodeId, now: Timestamp) {
        let last = self.heard.entry(node).or_insert(now);
        *last = now.max(*last);
    }

    /// Watches a node from now on, if it is not watched already: it has a whole lease.
    pub fn watch(&mut self, node: NodeId, now: Timestamp) {
        self.heard.entry(node).or_insert(now);
    }

    /// Gives every node a whole lease from now on: after a start, or a step of the clock, silence
    /// so far says nothing about them.
    pub fn restart(&mut self, nodes: impl IntoIterator<Item = NodeId>, now: Timestamp) {
        self.heard = nodes.into_iter().map(|node| (node, now)).collect();
    }

    /// A node is no longer watched.
    pub fn forget(&mut self, node: NodeId) {
        self.heard.remove(&node);
    }

    /// For how long nothing was heard of a node; `None`: it is not watched.
    pub fn silence(&self, node: NodeId, now: Timestamp) -> Option<Span> {
        self.heard.get(&node).map(|heard| now.since(*heard))
    }

    /// Nodes not heard of for a whole lease, with the time since then; they are forgotten.
    pub fn expired(&mut self, now: Timestamp, lease: Span) -> Vec<(NodeId, Span)> {
        let late: Vec<_> = self
            .heard
            .iter()
            .map(|(node, heard)| (*node, now.since(*heard)))
            .filter(|(_, silence)| *silence >= lease)
            .collect();
        for (node, _) in &late {
            self.heard.remove(node);
        }
        late
    }

    /// When the first lease could end.
    pub fn next_end(&self, lease: Span) -> Option<Timestamp> {
        self.heard.values().min().map(|heard| *heard + lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_late_once_and_only_after_a_whole_lease() {
        let (at, lease) = (Timestamp::from_millis, Span::from_millis(100));
        let mut leases = Leases::default();
        leases.restart([NodeId(1), NodeId(2)], at(0));

        leases.heard(NodeId(2), at(50));
        assert_eq!(leases.silence(NodeId(1), at(60)), Some(Span::from_millis(60)));
        assert_eq!(leases.silence(NodeId(3), at(60)), None);

        assert_eq!(leases.expired(at(99), lease), []);
        assert_eq!(leases.expired(at(100), lease), [(NodeId(1), Span::from_millis(100))]);
        assert_eq!(leases.expired(at(149), lease), []);
        assert_eq!(leases.next_end(lease), Some(at(150)));
    }

    #[test]
    fn a_node_that_was_late_and_is_watched_again_is_late_again() {
        let (at, lease) = (Timestamp::from_millis, Span::from_millis(100));
        let mut leases = Leases::default();
        leases.watch(NodeId(1), at(0));
        leases.watch(NodeId(1), at(60));

        assert_eq!(leases.expired(at(100), lease), [(NodeId(1), lease)]);
        leases.watch(NodeId(1), at(110));

        assert_eq!(leases.expired(at(209), lease), []);
        assert_eq!(leases.expired(at(210), lease), [(NodeId(1), lease)]);
    }
}
