//! Stopping what is less urgent, so that what is more urgent can start.
//!
//! Only where the policy says who may push whom aside. A task that is stopped saves its work within
//! its grace and goes back to pending; that counts against nothing.

use std::collections::{BTreeMap, VecDeque};

use repower_model::{AttemptId, NodeId, Resources, StopReason, TaskId};

use super::avoided;
use super::room::{Room, held, need};
use crate::fact::Fact;
use crate::life::attempt::{self, Event, Phase};
use crate::policy::Preemption;
use crate::state::{Job, Node, Shape, State};

/// For how many tasks a pass makes room at most.
const MOST: usize = 1024;

/// Nodes on which room is being made: what is less urgent must not take it meanwhile.
pub(super) fn being_cleared(state: &State) -> Vec<NodeId> {
    let stopping = state.attempts.values().filter(|one| one.phase == Phase::Preempting);
    let mut nodes: Vec<NodeId> = stopping.flat_map(crate::state::Attempt::nodes).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// What must stop so that the urgent tasks that wait can start, in the order in which it stops.
/// Asked when all that fits has been started.
pub(super) fn preempt(state: &State, rule: Preemption) -> VecDeque<Fact> {
    let mut making = Making { state, rule, spare: BTreeMap::new(), facts: VecDeque::new() };
    let mut waiting: Vec<_> = state
        .queue
        .lines()
        .flat_map(|(_, line)| {
            let urgent = line.jobs().take_while(|(turn, _)| turn.priority.0 >= rule.from);
            urgent.take(MOST).map(|(turn, tasks)| (turn, tasks, &line.shape))
        })
        .collect();
    waiting.sort_unstable_by_key(|(turn, ..)| *turn);
    let mut left = MOST;
    for (turn, tasks, shape) in waiting {
        // A gang waits for its nodes: stopping so many others for it is an operator's business.
        if shape.gang.is_some() {
            continue;
        }
        for _ in 0..tasks.min(left as u64) {
            left -= 1;
            if !making.room_for(shape, &state.jobs[&turn.job]) {
                break;
            }
        }
    }
    making.facts
}

struct Making<'a> {
    state: &'a State,
    rule: Preemption,
    /// What is free or about to be, less what has been promised.
    spare: BTreeMap<NodeId, Resources>,
    facts: VecDeque<Fact>,
}

/// Tasks that would have to stop on a node.
struct Victims {
    node: NodeId,
    tasks: Vec<TaskId>,
    /// The highest priority among them, and how many they are: less is better.
    cost: (i32, usize),
}

impl Making<'_> {
    /// Promises room to a task, and stops what must stop for it; false if nothing helps.
    fn room_for(&mut self, shape: &Shape, job: &Job) -> bool {
        let state = self.state;
        let Some(place) = job.next_place(state.now) else {
            return false;
        };
        let avoid = avoided(state, job, place);
        let able = || Room::able(state, shape).filter(|node| !avoid.contains(&node.id));
        for node in able() {
            let need = need(node, shape, &shape.resources).clone();
            let spare = self.spare_of(node);
            if spare.holds(&need) {
                self.spare.insert(node.id, spare.less(&need));
                return true;
            }
        }
        let best = able().filter_map(|node| self.victims(node, shape, job));
        let Some(best) = best.min_by_key(|victims| (victims.cost, victims.node)) else {
            return false;
        };
        let node = &state.nodes[&best.node];
        let mut spare = self.spare_of(node);
        for task in best.tasks {
            spare = spare.plus(&held(state, task, best.node));
            let number = state.attempts[&task].number;
            self.facts.push_back(Fact::AttemptStopping {
                attempt: AttemptId { task, number },
                why: StopReason::Preempted,
                by: "scheduler".into(),
                reason: format!("job {} of priority {} needs its place", job.id, job.spec.priority),
            });
        }
        self.spare.insert(best.node, spare.less(need(node, shape, &shape.resources)));
        true
    }

    /// What is free of a node or will be when what is stopping has ended, less what is promised.
    fn spare_of(&self, node: &Node) -> Resources {
        if let Some(spare) = self.spare.get(&node.id) {
            return spare.clone();
        }
        let stopping = node.holding.iter().filter(|task| {
            let phase = self.state.attempts[task].phase;
            matches!(phase, Phase::Ending | Phase::Preempting | Phase::Cancelling)
        });
        stopping.fold(node.free(), |sum, task| sum.plus(&held(self.state, *task, node.id)))
    }

    /// The least urgent and youngest tasks that would have to stop on a node; `None` if that would
    /// not be enough.
    fn victims(&self, node: &Node, shape: &Shape, job: &Job) -> Option<Victims> {
        let state = self.state;
        let most = self.rule.below.min(job.spec.priority);
        let stopped = |task: &TaskId| {
            self.facts.iter().any(|fact| {
                matches!(fact, Fact::AttemptStopping { attempt, .. } if attempt.task == *task)
            })
        };
        let mut running: Vec<_> = node
            .holding
            .iter()
            .filter(|task| {
                let attempt = &state.attempts[task];
                state.jobs[&task.job].spec.priority < most
                    && state.jobs[&task.job].spec.gang.is_none()
                    && attempt::after(attempt.phase, Event::Preempt).is_some()
                    && !stopped(task)
            })
            .map(|task| {
                let placed = std::cmp::Reverse(state.attempts[task].placed);
                (state.jobs[&task.job].spec.priority, placed, *task)
            })
            .collect();
        running.sort_unstable();
        let need = need(node, shape, &shape.resources);
        let mut spare = self.spare_of(node);
        let mut tasks = Vec::new();
        for (_, _, task) in running {
            spare = spare.plus(&held(state, task, node.id));
            tasks.push(task);
            if spare.holds(need) {
                break;
            }
        }
        if !spare.holds(need) {
            return None;
        }
        // Some of the first may have been in vain.
        tasks.retain(|task| {
            let without = spare.less(&held(state, *task, node.id));
            let spared = without.holds(need);
            if spared {
                spare = without;
            }
            !spared
        });
        let highest = tasks.iter().map(|task| state.jobs[&task.job].spec.priority).max()?;
        Some(Victims { node: node.id, cost: (highest, tasks.len()), tasks })
    }
}
