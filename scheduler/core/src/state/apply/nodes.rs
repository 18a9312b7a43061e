//! How the facts about nodes change the state: whether they take work, and whether it goes well there.

use repower_model::{Fault, NodeId, NodePhase, Outcome, Resources, Sequel, TaskId, Timestamp};

use crate::fact::AttemptEnded;
use crate::life::node as node_life;
use crate::state::{Failure, Node, State};

/// A task that fails by the user's fault within this long of its start has failed fast.
const FAST_US: u64 = 10_000_000;

impl State {
    pub(super) fn enrolled(
        &mut self,
        id: NodeId,
        name: &str,
        fingerprint: repower_model::Hash,
        at: Timestamp,
    ) {
        if let Some(known) = self.nodes.get_mut(&id) {
            self.fingerprints.remove(&known.fingerprint);
            known.fingerprint = fingerprint;
            self.move_node(id, node_life::Event::Enrolled, at);
        } else {
            let node = Node {
                id,
                name: name.to_owned(),
                fingerprint,
                phase: NodePhase::Enrolled,
                instance: None,
                inventory: repower_model::Inventory::default(),
                drained: None,
                held_back: None,
                rests_until: None,
                since: at,
                used: Resources::default(),
                holding: std::collections::BTreeSet::new(),
                runway: std::collections::VecDeque::new(),
                given_up: std::collections::VecDeque::new(),
                failures: Vec::new(),
            };
            self.last_node = self.last_node.max(id.0);
            self.names.insert(name.to_owned(), id);
            self.nodes.insert(id, node);
        }
        self.fingerprints.insert(fingerprint, id);
        self.reoffer(id);
    }

    pub(super) fn move_node(&mut self, id: NodeId, event: node_life::Event, at: Timestamp) {
        let node = self.known_node(id);
        if let Some(phase) = node_life::after(node.phase, event)
            && phase != node.phase
        {
            node.phase = phase;
            node.since = at;
        }
        self.reoffer(id);
    }

    /// A node gets no new work until a time.
    pub(super) fn rest(&mut self, id: NodeId, until: Timestamp) {
        if let Some(before) = self.known_node(id).rests_until.replace(until) {
            self.resting.remove(&(before, id));
        }
        self.resting.insert((until, id));
        self.reoffer(id);
    }

    pub(super) fn wake_node(&mut self, id: NodeId) {
        if let Some(until) = self.known_node(id).rests_until.take() {
            self.resting.remove(&(until, id));
            self.reoffer(id);
        }
    }

    pub(in crate::state) fn reoffer(&mut self, id: NodeId) {
        self.offers.update(&self.nodes[&id]);
    }

    pub(super) fn returned(&mut self, task: TaskId, node: NodeId) {
        if let Some(job) = self.jobs.get_mut(&task.job)
            && let Some(place) = job.place(task)
            && job.failed.remove(place)
        {
            job.pending.insert(place);
            let left = job.failed.first().and_then(|left| job.tries.get(&left));
            job.exit_code = left.map_or(0, |left| left.exit_code);
            let tries = job.tries.entry(place).or_default();
            tries.user = tries.user.saturating_sub(1);
            self.requeue(task.job);
        }
        self.known_node(node).failures.retain(|failure| failure.task != task);
        self.suspect(node);
    }

    /// Remembers what failed fast on a node; something that passes there clears it.
    pub(super) fn note_failure(&mut self, ended: &AttemptEnded, node: NodeId) {
        let failures = &mut self.known_node(node).failures;
        let not_started = matches!(ended.outcome, Outcome::NotStarted { .. });
        let fast = not_started || (ended.fault == Fault::User && ended.usage.wall_us < FAST_US);
        if ended.sequel == Sequel::Succeeded {
            failures.clear();
        } else if fast && failures.len() < Node::FAILURES {
            let for_good = ended.sequel == Sequel::Failed;
            failures.push(Failure { task: ended.attempt.task, for_good });
        }
        self.suspect(node);
    }

    /// Lists a node as suspect while it has failures.
    pub(super) fn suspect(&mut self, id: NodeId) {
        if self.nodes[&id].failures.is_empty() {
            self.suspects.remove(&id);
        } else {
            self.suspects.insert(id);
        }
    }
}
