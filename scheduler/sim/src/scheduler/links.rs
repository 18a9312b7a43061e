//! The scheduler's ends of the links.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{JobId, NodeId};

use crate::message::{LinkId, Order};

/// The link of each node that has one.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_node: BTreeMap<NodeId, Line>,
}

/// The scheduler's end of a link.
#[derive(Debug)]
struct Line {
    link: LinkId,
    /// Whether its hello has been answered: no order goes before the welcome.
    welcomed: bool,
    /// Jobs that the agent was told about on this link.
    defined: BTreeSet<JobId>,
    /// What goes with the next message.
    orders: Vec<Order>,
}

impl Links {
    /// Puts a link in place of the one before, which is returned.
    pub(super) fn open(&mut self, node: NodeId, link: LinkId) -> Option<LinkId> {
        let line = Line { link, welcomed: false, defined: BTreeSet::new(), orders: Vec::new() };
        self.by_node.insert(node, line).map(|before| before.link)
    }

    pub(super) fn drop(&mut self, link: LinkId) {
        self.by_node.retain(|_, line| line.link != link);
    }

    /// Takes out the link of a node.
    pub(super) fn take(&mut self, node: NodeId) -> Option<LinkId> {
        self.by_node.remove(&node).map(|line| line.link)
    }

    /// Whether this is the present link of a node.
    pub(super) fn is_of(&self, node: NodeId, link: LinkId) -> bool {
        self.by_node.get(&node).is_some_and(|line| line.link == link)
    }

    /// Whether this is the present link of any node.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.by_node.values().any(|line| line.link == link)
    }

    /// The hello of a link has been answered.
    pub(super) fn welcomed(&mut self, link: LinkId) {
        for line in self.by_node.values_mut().filter(|line| line.link == link) {
            line.welcomed = true;
        }
    }

    /// Adds an order to the next message to a node; one that is not there gets none.
    pub(super) fn order(&mut self, node: NodeId, order: Order) {
        if let Some(line) = self.by_node.get_mut(&node).filter(|line| line.welcomed) {
            line.orders.push(order);
        }
    }

    /// Whether a node must be told about a job before its first start.
    pub(super) fn must_define(&mut self, node: NodeId, job: JobId) -> bool {
        self.by_node.get_mut(&node).is_some_and(|line| line.welcomed && line.defined.insert(job))
    }

    /// Tells every node that knows a job to forget it.
    pub(super) fn forget(&mut self, job: JobId) {
        for line in self.by_node.values_mut() {
            if line.defined.remove(&job) {
                line.orders.push(Order::Forget(job));
            }
        }
    }

    /// The messages that are to go.
    pub(super) fn flush(&mut self) -> Vec<(LinkId, Vec<Order>)> {
        let waiting = self.by_node.values_mut().filter(|line| !line.orders.is_empty());
        waiting.map(|line| (line.link, std::mem::take(&mut line.orders))).collect()
    }

    pub(super) fn clear(&mut self) {
        self.by_node.clear();
    }
}
