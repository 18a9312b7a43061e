//! Room that is being made for urgent tasks, and what others leave to them until it is there.

use std::collections::BTreeMap;

use repower_model::{NodeId, Resources};

use super::quota;
use crate::life::attempt::Phase;
use crate::policy::Preemption;
use crate::state::{Attempt, Job, State, Turn};

/// Where room is being made; empty if nothing stops.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    /// The nodes on which tasks are stopping, ascending.
    nodes: Vec<NodeId>,
    /// For each project with a quota: its urgent jobs in order, each with what the tasks of all up to
    /// it wait for, where the quota lets one have it.
    promised: BTreeMap<String, Vec<(Turn, Resources)>>,
    /// Jobs of at least this priority are urgent.
    from: i32,
}

impl Clearing {
    /// What is being cleared now.
    pub(super) fn of(state: &State) -> Self {
        let Some(rule) = state.scheduling().preemption else {
            return Self::default();
        };
        let stopping = state.attempts.values().filter(|one| one.phase == Phase::Preempting);
        let mut nodes: Vec<NodeId> = stopping.flat_map(Attempt::nodes).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let promised = if nodes.is_empty() { BTreeMap::new() } else { promised(state, rule) };
        Self { nodes, promised, from: rule.from }
    }

    /// The nodes on which tasks are stopping.
    pub(super) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The nodes to which a job does not go meanwhile.
    pub(super) fn bars(&self, job: &Job) -> &[NodeId] {
        if job.spec.priority < self.from { &self.nodes } else { &[] }
    }

    /// What of its project's quota a job leaves meanwhile to those that go before it.
    pub(super) fn leaves(&self, state: &State, job: &Job) -> Option<&Resources> {
        let promised = self.promised.get(&job.spec.project)?;
        let (_, own) = state.queue.place(job.id)?;
        let before = promised.partition_point(|(turn, _)| *turn < own);
        promised[..before].last().map(|(_, sum)| sum)
    }
}

fn promised(state: &State, rule: Preemption) -> BTreeMap<String, Vec<(Turn, Resources)>> {
    let mut promised: BTreeMap<String, Vec<(Turn, Resources)>> = BTreeMap::new();
    for (_, line) in state.queue.lines() {
        let shape = &line.shape;
        if !quota::bounds(state, &shape.project) || quota::passed(state, shape, None).is_some() {
            continue;
        }
        let jobs = line.urgent(rule.from).map(|(turn, tasks)| (turn, shape.whole().times(tasks)));
        promised.entry(shape.project.clone()).or_default().extend(jobs);
    }
    for jobs in promised.values_mut() {
        jobs.sort_unstable_by_key(|(turn, _)| *turn);
        let mut sum = Resources::default();
        for (_, wanted) in jobs {
            sum = sum.plus(wanted);
            *wanted = sum.clone();
        }
    }
    promised
}
