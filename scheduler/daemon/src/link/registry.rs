//! The links that stand, and what has been defined on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_core::effect::Effect;
use repower_core::state::State;
use repower_model::{JobId, NodeId};
use repower_proto::v1;

use super::{Item, Outbox, With, watch};

/// The links that stand, at most one a node.
#[derive(Debug, Default)]
pub(crate) struct Links {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    links: BTreeMap<NodeId, Link>,
    /// Whether there is no room for output.
    hold_output: bool,
    /// On which links a job is defined.
    defined: BTreeMap<JobId, BTreeSet<NodeId>>,
}

#[derive(Debug)]
struct Link {
    outbox: Arc<Outbox>,
    jobs: BTreeSet<JobId>,
}

impl Links {
    /// How many links stand.
    pub(crate) fn count(&self) -> usize {
        self.lock().links.len()
    }

    /// Whether a node has a link.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.lock().links.contains_key(&node)
    }

    /// Whether another link has taken the place of this one.
    pub(crate) fn replaced(&self, outbox: &Arc<Outbox>) -> bool {
        let inner = self.lock();
        let known = inner.links.get(&outbox.node);
        known.is_some_and(|link| !Arc::ptr_eq(&link.outbox, outbox))
    }

    /// The nodes that have a link.
    pub(crate) fn nodes(&self) -> BTreeSet<NodeId> {
        self.lock().links.keys().copied().collect()
    }

    /// Puts a link in its node's place, and ends the one before. Another process of the agent
    /// takes the node over for good; the same one has only dialled again.
    pub(crate) fn connect(&self, outbox: &Arc<Outbox>) {
        let mut inner = self.lock();
        let link = Link { outbox: Arc::clone(outbox), jobs: BTreeSet::new() };
        if let Some(before) = inner.take(outbox.node) {
            let other = before.instance != outbox.instance;
            let reason = if other {
                "another agent process has taken over this node"
            } else {
                "this agent has opened another link"
            };
            before.dismiss(reason, other);
        }
        // It may have broken while its hello was being turned.
        if !outbox.is_closed() {
            outbox.hold_output(inner.hold_output);
            inner.links.insert(outbox.node, link);
        }
    }

    /// A link has ended; nothing happens if another has taken its place.
    pub(crate) fn ended(&self, outbox: &Arc<Outbox>) {
        let mut inner = self.lock();
        let known = inner.links.get(&outbox.node);
        if known.is_some_and(|link| Arc::ptr_eq(&link.outbox, outbox)) {
            inner.take(outbox.node);
        }
    }

    /// Asks a node to call back for a command; false if it has no link.
    pub(crate) fn open_session(&self, node: NodeId, open: v1::OpenSession) -> bool {
        let inner = self.lock();
        let link = inner.links.get(&node).filter(|link| !link.outbox.is_closed());
        link.map(|link| link.outbox.push([Item::Open(open)])).is_some()
    }

    /// Tells all agents whether there is no room for output, and those that come later.
    pub(crate) fn hold_output(&self, hold: bool) {
        let mut inner = self.lock();
        inner.hold_output = hold;
        for link in inner.links.values() {
            link.outbox.hold_output(hold);
        }
    }

    /// Asks all agents what their tasks use.
    pub(crate) fn sample(&self) {
        for link in self.lock().links.values() {
            link.outbox.sample();
        }
    }

    /// Ends the link of a node; its agent may come back.
    pub(crate) fn dismiss(&self, node: NodeId, reason: &str) {
        if let Some(outbox) = self.lock().take(node) {
            outbox.dismiss(reason, false);
        }
    }

    /// Ends all links; their agents may come back.
    pub(crate) fn dismiss_all(&self, reason: &str) {
        let mut inner = self.lock();
        let nodes: Vec<_> = inner.links.keys().copied().collect();
        for node in nodes {
            if let Some(outbox) = inner.take(node) {
                outbox.dismiss(reason, false);
            }
        }
    }

    /// Sends what is owed to nodes, in order. What is owed to a node without a link is not sent:
    /// it follows from what its agent will say when it comes back.
    pub(crate) fn send(&self, effects: &[Effect], state: &State) {
        let mut inner = self.lock();
        let mut items: BTreeMap<NodeId, Vec<Item>> = BTreeMap::new();
        for effect in effects {
            inner.owe(effect, state, &mut items);
        }
        for (node, items) in items {
            if let Some(link) = inner.links.get(&node) {
                link.outbox.push(items);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn owe(&mut self, effect: &Effect, state: &State, items: &mut BTreeMap<NodeId, Vec<Item>>) {
        match effect {
            Effect::Start { node, attempt } => {
                let Some(link) = self.links.get_mut(node) else { return };
                let job = attempt.task.job;
                let is_gang = state.job(job).is_some_and(|job| job.spec.gang.is_some());
                let rendezvous = state.rendezvous(*attempt, *node).map(Box::new);
                if is_gang && rendezvous.is_none() {
                    // It has ended since, or is there no more: so nothing of it starts.
                    return;
                }
                let items = items.entry(*node).or_default();
                if !link.jobs.contains(&job) {
                    // Gone already: whatever ended the job has ended the attempt.
                    let Some(known) = state.job(job) else { return };
                    link.jobs.insert(job);
                    self.defined.entry(job).or_default().insert(*node);
                    let watch = watch::settings(state, &known.spec.class);
                    items.push(Item::Define(job, Arc::clone(&known.spec), watch));
                }
                let checkpoint = state.checkpoint(attempt.task).map(Box::new);
                let alternative = state.alternative(*attempt);
                items.push(Item::Start(*attempt, With { alternative, rendezvous, checkpoint }));
            }
            Effect::DropCheckpoint { node, task } => {
                items.entry(*node).or_default().push(Item::DropCheckpoint(*task));
            }
            // The store of artefacts is not at the end of a link.
            Effect::DropStored { .. } => {}
            Effect::Stop { node, rank, why } => {
                items.entry(*node).or_default().push(Item::Stop(*rank, *why));
            }
            Effect::Freeze { node, rank } => {
                items.entry(*node).or_default().push(Item::Freeze(*rank));
            }
            Effect::Thaw { node, rank, rules } => {
                items.entry(*node).or_default().push(Item::Thaw(*rank, rules.clone()));
            }
            Effect::Forbid => {
                let forbidden = Item::forbidden(state);
                for node in self.links.keys() {
                    items.entry(*node).or_default().push(forbidden.clone());
                }
            }
            Effect::Forget { job } => {
                for node in self.defined.remove(job).unwrap_or_default() {
                    if let Some(link) = self.links.get_mut(&node) {
                        link.jobs.remove(job);
                    }
                    items.entry(node).or_default().push(Item::Forget(*job));
                }
            }
        }
    }

    fn take(&mut self, node: NodeId) -> Option<Arc<Outbox>> {
        let link = self.links.remove(&node)?;
        for job in link.jobs {
            if let Some(nodes) = self.defined.get_mut(&job) {
                nodes.remove(&node);
                if nodes.is_empty() {
                    self.defined.remove(&job);
                }
            }
        }
        Some(link.outbox)
    }
}
