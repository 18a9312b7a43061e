//! Places that are promised to tasks for which others are stopping.
//!
//! A promise is as good as a place: the task goes there and nowhere else, nothing else goes there, and
//! its project holds it. It ends when the task starts or is cancelled, when a node of it takes no work
//! any more or is kept for others, when another policy is adopted or the approval that its job rests on ends, and when its time is over.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{NodeId, Part, Resources, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

use super::State;
use super::share::Amounts;
use crate::fact::Fact;

/// A place that is promised to a task, with the first of its amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Where, ascending by node, with how many processes on each; at least one.
    pub parts: Vec<Part>,
    /// When it ends if the place has not become free: what stops should long be over.
    pub until: Timestamp,
}

/// All promises, by task, by node and by end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promises {
    known: BTreeMap<TaskId, Promise>,
    by_node: BTreeMap<NodeId, BTreeSet<TaskId>>,
    ends: BTreeSet<(Timestamp, TaskId)>,
}

impl Promises {
    /// All of them, in order of tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Promise)> {
        self.known.iter().map(|(task, promise)| (*task, promise))
    }

    /// Those of tasks behind one.
    pub(crate) fn behind(&self, task: Option<TaskId>) -> impl Iterator<Item = (TaskId, &Promise)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = task.map_or(Unbounded, Excluded);
        self.known.range((from, Unbounded)).map(|(task, promise)| (*task, promise))
    }

    /// That of a task.
    pub fn get(&self, task: TaskId) -> Option<&Promise> {
        self.known.get(&task)
    }

    /// The tasks to which something of a node is promised.
    pub fn on(&self, node: NodeId) -> impl Iterator<Item = TaskId> {
        self.by_node.get(&node).into_iter().flatten().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// When the next one ends by itself.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, task: TaskId, promise: Promise) {
        for part in &promise.parts {
            self.by_node.entry(part.node).or_default().insert(task);
        }
        self.ends.insert((promise.until, task));
        self.known.insert(task, promise);
    }

    fn remove(&mut self, task: TaskId) -> Option<Promise> {
        let promise = self.known.remove(&task)?;
        self.ends.remove(&(promise.until, task));
        for part in &promise.parts {
            if let Some(tasks) = self.by_node.get_mut(&part.node) {
                tasks.remove(&task);
                if tasks.is_empty() {
                    self.by_node.remove(&part.node);
                }
            }
        }
        Some(promise)
    }
}

impl State {
    /// What of a node is promised to a task.
    pub fn promised(&self, task: TaskId, node: NodeId) -> Resources {
        let parts = self.promises.get(task).map_or(&[][..], |promise| promise.parts.as_slice());
        let ranks: u32 = parts.iter().filter(|part| part.node == node).map(|part| part.ranks).sum();
        let spec = &self.jobs[&task.job].spec;
        if spec.constraints.exclusive && ranks > 0 {
            self.nodes[&node].capacity().clone()
        } else {
            spec.amounts(0).times(ranks.into())
        }
    }

    /// A task is promised a place: it waits for that, and its project holds it.
    pub(super) fn promise(
        &mut self,
        task: TaskId,
        parts: &[Part],
        until: Timestamp,
        at: Timestamp,
    ) {
        self.promises.insert(task, Promise { parts: parts.to_vec(), until });
        let (spec, whole) = (self.jobs[&task.job].spec.clone(), self.promised_in_all(task));
        self.share(&spec.project, &Amounts::Taken(&whole), at);
        let job = self.known_job(task.job);
        let place = job.place(task).expect("a promised task is in its array");
        job.promised.insert(place);
        job.blocked.insert(place);
        self.requeue(task.job);
    }

    /// A task has no place promised any more: it starts now, or waits as others do. Its job is still to
    /// be put where it belongs.
    pub(super) fn unpromise(&mut self, task: TaskId, at: Timestamp) -> Option<Promise> {
        let promise = self.promises.remove(task)?;
        let (spec, whole) = (self.jobs[&task.job].spec.clone(), self.promised_in_all(task));
        self.share(&spec.project, &Amounts::Given(&whole), at);
        let job = self.known_job(task.job);
        let place = job.place(task).expect("a promised task is in its array");
        job.promised.remove(place);
        job.blocked.remove(place);
        Some(promise)
    }

    /// Tasks have no place promised any more, and wait as others do.
    pub(super) fn give_up_promises(&mut self, tasks: &[TaskId], at: Timestamp) {
        for task in tasks {
            let Some(promise) = self.unpromise(*task, at) else { continue };
            for part in promise.parts {
                // What fitted nowhere may fit there now.
                self.offers.touch(part.node);
            }
            self.requeue(task.job);
        }
    }

    /// A fact about nodes or the policy ends promises before it is true.
    pub(super) fn end_promises(&mut self, fact: &Fact, at: Timestamp) {
        if self.promises.is_empty() {
            return;
        }
        let tasks: Vec<TaskId> = if let Fact::PolicyAdopted { .. } = fact {
            self.promises.iter().map(|(task, _)| task).collect()
        } else if let Fact::ApprovalEnded { id, .. } = fact {
            // What rests on it and has not started waits for a person again.
            let all = self.promises.iter().map(|(task, _)| task);
            all.filter(|task| self.jobs[&task.job].approval == Some(*id)).collect()
        } else if let Fact::ReservationMade(one) = fact {
            one.nodes.iter().flat_map(|node| self.promises.on(*node)).collect()
        } else if let Fact::NodeEnrolled { node, .. }
        | Fact::NodeConnected { node, .. }
        | Fact::NodeLost { node, .. }
        | Fact::NodeLeft { node, .. }
        | Fact::NodeDrained { node, .. }
        | Fact::NodeHeldBack { node, .. } = fact
        {
            self.promises.on(*node).collect()
        } else {
            return;
        };
        self.give_up_promises(&tasks, at);
    }

    /// Promises end whose time is over.
    pub(super) fn give_up_late_promises(&mut self, now: Timestamp) {
        let late = self.promises.ends.iter().take_while(|(until, _)| *until <= now);
        let late: Vec<TaskId> = late.map(|(_, task)| *task).collect();
        self.give_up_promises(&late, now);
    }

    /// What a promise gives to a task in all.
    pub(crate) fn promised_in_all(&self, task: TaskId) -> Resources {
        let spec = &self.jobs[&task.job].spec;
        let ranks = spec.gang.map_or(1, |gang| u64::from(gang.ranks()));
        spec.amounts(0).times(ranks)
    }
}
