//! What stops, stops for a task that gets its place.

use std::collections::BTreeMap;

use repower_core::fact::{Entry, Fact};
use repower_core::state::{Attempt, Promise, State};
use repower_model::{IndexRange, NodeId, StopReason, TaskId};

use crate::seeded::{BELOW, Seeded, URGENT};

/// The promises that must stand, by the facts alone, and how far in the journal that is.
#[derive(Default)]
pub(crate) struct Places {
    promised: BTreeMap<TaskId, Promise>,
    seen: usize,
}

impl Seeded {
    /// What is stopped is less urgent than what is promised its place, and nobody may stop it otherwise.
    pub(crate) fn stops_for_a_promise(&self, before: &State, facts: &[Fact]) {
        let preempted = facts.iter().filter_map(|fact| match fact {
            Fact::AttemptStopping { attempt, why: StopReason::Preempted, .. } => Some(attempt),
            _ => None,
        });
        let state = self.state();
        for attempt in preempted {
            let victim = state.jobs[&attempt.task.job].spec.priority;
            let nodes = before.attempts.get(&attempt.task).map(Attempt::nodes);
            let nodes = nodes.unwrap_or_default();
            let mut urgent = facts.iter().filter_map(|fact| match fact {
                Fact::PlacePromised { task, parts, .. } => Some((task, parts)),
                _ => None,
            });
            let gets_it = urgent.find(|(task, parts)| {
                parts.iter().any(|part| nodes.contains(&part.node))
                    && state.jobs[&task.job].spec.priority >= URGENT
                    && state.promises.get(**task).is_some()
            });
            assert!(victim < BELOW, "{attempt} of priority {victim} is stopped");
            assert!(gets_it.is_some(), "{attempt} is stopped for nothing: {facts:?}");
            assert!(before.scheduling().preemption.is_some(), "nobody may stop {attempt}");
        }
    }

    /// A promise is kept: until something ends it that is written down, and then only there.
    pub(crate) fn keeps_promises(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        for entry in &self.world.journal[places.seen..] {
            places.follow(entry);
        }
        places.seen = self.world.journal.len();
        places.promised.retain(|_, promise| promise.until > self.world.now);
        let state = self.state();
        let known: BTreeMap<TaskId, Promise> =
            state.promises.iter().map(|(task, promise)| (task, promise.clone())).collect();
        assert_eq!(places.promised, known);
        for (task, promise) in &places.promised {
            let waits = promise.parts.iter().any(|part| self.waits_on(*task, part.node));
            let on = promise.parts.iter().map(|part| {
                let node = &state.nodes[&part.node];
                (node.id, node.free().cpus, state.promised(*task, node.id).cpus, &node.holding)
            });
            assert!(waits, "{task} does not start in its place: {:?}", on.collect::<Vec<_>>());
        }
        self.places = places;
    }

    /// Whether what has its place on a node promised waits there for something.
    fn waits_on(&self, task: TaskId, node: NodeId) -> bool {
        let state = self.state();
        let (job, node) = (&state.jobs[&task.job], &state.nodes[&node]);
        let bound = job.spec.time_limit.or(job.spec.expected);
        let stops = node.holding.iter().any(|task| state.attempts[task].phase.is_stopping());
        let short = node.tasks().any(|task| state.jobs[&task.job].is_brisk());
        let kept = state.reserved(node.id, &job.spec.project, state.now, bound).is_some();
        stops || short || kept || !node.takes_work()
    }
}

impl Places {
    fn follow(&mut self, entry: &Entry) {
        self.promised.retain(|_, promise| promise.until > entry.at);
        match &entry.fact {
            Fact::PlacePromised { task, parts, until } => {
                let promise = Promise { parts: parts.clone(), until: *until };
                let before = self.promised.insert(*task, promise);
                assert_eq!(before, None, "{task} is promised two places");
            }
            Fact::AttemptPlaced { attempt, node, parts, .. } => {
                let Some(promise) = self.promised.remove(&attempt.task) else { return };
                let first = promise.parts.first().map(|part| part.node);
                let there = first == Some(*node) && (parts.is_empty() || *parts == promise.parts);
                assert!(there, "{attempt} is promised {promise:?}, not {node} with {parts:?}");
            }
            Fact::TasksCancelled { job, tasks, .. } => {
                let has = |task: &TaskId| tasks.iter().any(|range| holds(range, task.index));
                self.promised.retain(|task, _| task.job != *job || !has(task));
            }
            Fact::PolicyAdopted { .. } => self.promised.clear(),
            Fact::ReservationMade(one) => one.nodes.iter().for_each(|node| self.gone(*node)),
            Fact::NodeEnrolled { node, .. }
            | Fact::NodeConnected { node, .. }
            | Fact::NodeLost { node, .. }
            | Fact::NodeLeft { node, .. }
            | Fact::NodeDrained { node, .. }
            | Fact::NodeHeldBack { node, .. } => self.gone(*node),
            _ => {}
        }
    }

    fn gone(&mut self, node: NodeId) {
        self.promised.retain(|_, promise| promise.parts.iter().all(|part| part.node != node));
    }
}

fn holds(range: &IndexRange, index: u32) -> bool {
    (range.first..=range.last).contains(&index) && (index - range.first).is_multiple_of(range.step)
}
