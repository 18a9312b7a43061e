//! Why a job or task is where it is: from the state alone, with numbers.

use repower_model::{Dimension, JobId, JobState, NodePhase, Resources, Timestamp};

use super::{avoided, filter};
use crate::reason::Reason;
use crate::state::{Job, Node, State};

/// Why a job or task is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The job.
    pub job: JobId,
    /// Where the job is.
    pub state: JobState,
    /// The reason that counts.
    pub reason: Reason,
    /// How many nodes are left after each condition, in order.
    pub funnel: Vec<FunnelStep>,
    /// What is short: per dimension asked, the most free and the most there is on any node in reach.
    pub shortages: Vec<Short>,
    /// Tasks that go first, if it waits for a node.
    pub tasks_ahead: u64,
    /// Their jobs.
    pub jobs_ahead: u64,
}

/// One condition of the funnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelStep {
    /// Stable code.
    pub code: &'static str,
    /// The condition, in words.
    pub condition: String,
    /// How many nodes meet this and all before.
    pub nodes_left: usize,
}

/// A dimension in which nodes in reach lack something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// Which.
    pub dimension: Dimension,
    /// How much a task asks for.
    pub asked: u64,
    /// The most that any node in reach has free.
    pub free: u64,
    /// The most that any node in reach has when empty.
    pub most: u64,
}

/// Explains a live job, or one of its tasks; `None` if it is not in memory or has no such task.
pub fn why(state: &State, job: JobId, index: Option<u32>, now: Timestamp) -> Option<Explanation> {
    let job = state.jobs.get(&job)?;
    let place = match index {
        Some(index) => Some(job.spec.array.place(index)?),
        None => job.next_place(now).or_else(|| job.pending.first()),
    };
    let waits = place.is_some_and(|place| job.pending.contains(place));
    if !waits {
        let reason = elsewhere(state, job, place);
        return Some(plain(job, reason));
    }
    let (funnel, shortages, reason) = nodes(state, job, place);
    let standing = state.queue.place(job.id);
    let (jobs_ahead, tasks_ahead) = standing.map_or((0, 0), |(_, turn)| state.queue.ahead(turn));
    let behind = reason == Reason::Next && tasks_ahead > 0;
    let reason = if behind { Reason::Behind { tasks: tasks_ahead } } else { reason };
    let reason = held(job, place, now).unwrap_or(reason);
    Some(Explanation { funnel, shortages, tasks_ahead, jobs_ahead, ..plain(job, reason) })
}

fn plain(job: &Job, reason: Reason) -> Explanation {
    let (id, state) = (job.id, job.state());
    let (funnel, shortages) = (Vec::new(), Vec::new());
    Explanation { job: id, state, reason, funnel, shortages, tasks_ahead: 0, jobs_ahead: 0 }
}

/// The reason that has nothing to do with nodes, if there is one.
fn held(job: &Job, place: Option<u32>, now: Timestamp) -> Option<Reason> {
    if job.review {
        return Some(Reason::Review { class: job.spec.class.clone() });
    }
    let whole = job.waits_for.iter().filter(|dependency| !dependency.per_task);
    let on: Vec<_> = whole.map(|dependency| dependency.job).collect();
    if !on.is_empty() {
        return Some(Reason::Dependency { on });
    }
    let on = place.map(|place| job.waits_for_tasks(place)).unwrap_or_default();
    if !on.is_empty() {
        return Some(Reason::TaskDependency { on });
    }
    if let Some(at) = job.spec.start_after.filter(|at| *at > now) {
        return Some(Reason::StartAfter { at });
    }
    let delay = job.delayed.iter().find(|(at, waiting)| Some(*waiting) == place && *at > now);
    if let Some((at, _)) = delay {
        return Some(Reason::RetryAfter { at: *at });
    }
    job.limit()
        .filter(|limit| job.live >= u64::from(*limit))
        .map(|limit| Reason::ArrayLimit { limit })
}

/// Where a task is that does not wait.
fn elsewhere(state: &State, job: &Job, place: Option<u32>) -> Reason {
    let on_node = |task| {
        let attempt = state.attempts.get(&task)?;
        let node = state.nodes[&attempt.node].name.clone();
        Some(Reason::OnNode { node })
    };
    let Some(place) = place else {
        let range = |index| repower_model::TaskId { job: job.id, index };
        let first = state.attempts.range(range(0)..=range(u32::MAX)).next();
        let reason = first.and_then(|(task, _)| on_node(*task));
        return reason.unwrap_or(Reason::Ended { how: "done" });
    };
    let how = if job.failed.contains(place) { "failed" } else { "done" };
    on_node(job.task(place)).unwrap_or(Reason::Ended { how })
}

type Verdict = (Vec<FunnelStep>, Vec<Short>, Reason);

fn nodes(state: &State, job: &Job, place: Option<u32>) -> Verdict {
    let asked = &job.spec.resources;
    let avoid = place.map_or(&[][..], |place| avoided(state, job, place));
    let mut left: Vec<&Node> = state.nodes.values().collect();
    let mut funnel = vec![step("nodes.enrolled", "enrolled", &left)];
    left.retain(|node| node.phase == NodePhase::Up);
    funnel.push(step("nodes.up", "up", &left));
    left.retain(|node| node.drained.is_none());
    funnel.push(step("nodes.not-drained", "not drained", &left));
    left.retain(|node| node.held_back.is_none());
    funnel.push(step("nodes.not-held-back", "not held back", &left));
    for condition in filter::conditions(&job.spec.constraints) {
        let before = left.len();
        left.retain(|node| condition.is_met_by(node));
        funnel.push(step(condition.code(), &condition.to_string(), &left));
        if left.is_empty() && before > 0 {
            return (funnel, Vec::new(), Reason::NoneMeets { condition });
        }
    }
    let reach = left.clone();
    if !avoid.is_empty() {
        left.retain(|node| !avoid.contains(&node.id));
        funnel.push(step("nodes.not-avoided", "has not failed to start it", &left));
    }
    let mut shortages = Vec::new();
    for dimension in dimensions(asked) {
        let amount = asked.amount(&dimension);
        left.retain(|node| node.capacity().amount(&dimension) >= amount);
        let condition = format!("has {} {dimension}", dimension.show(amount));
        funnel.push(FunnelStep { code: "resources.capacity", condition, nodes_left: left.len() });
    }
    if let Some(reason) = reserved(state, job, &mut left, &mut funnel) {
        return (funnel, shortages, reason);
    }
    let able = left.clone();
    for dimension in dimensions(asked) {
        let amount = asked.amount(&dimension);
        left.retain(|node| node.free().amount(&dimension) >= amount);
        let condition = format!("has {} {dimension} free", dimension.show(amount));
        funnel.push(FunnelStep { code: "resources.free", condition, nodes_left: left.len() });
        let among = if able.is_empty() { &reach } else { &able };
        let free = among.iter().map(|node| node.free().amount(&dimension)).max().unwrap_or(0);
        let most = among.iter().map(|node| node.capacity().amount(&dimension)).max().unwrap_or(0);
        if free < amount || (able.is_empty() && most < amount) {
            shortages.push(Short { dimension, asked: amount, free, most });
        }
    }
    let reason = verdict(&reach, &able, &left, &shortages, asked);
    (funnel, shortages, reason)
}

/// Leaves out nodes that are kept for others; the reason, if none is left.
fn reserved(
    state: &State,
    job: &Job,
    left: &mut Vec<&Node>,
    funnel: &mut Vec<FunnelStep>,
) -> Option<Reason> {
    let (now, bound, nodes) = (state.now, State::bound(job), left.len());
    let keeps = |node: &Node| state.reserved(node.id, &job.spec.project, now, bound);
    let first = left.iter().filter_map(|node| keeps(node)).min_by_key(|one| one.until)?;
    left.retain(|node| keeps(node).is_none());
    funnel.push(step("nodes.reserved", "not kept for others while it may run", left));
    left.is_empty().then(|| Reason::Reserved {
        nodes,
        id: first.id,
        begins: first.from.since(now),
        ends: first.until.since(now),
        bound,
    })
}

fn verdict(
    reach: &[&Node],
    able: &[&Node],
    left: &[&Node],
    shortages: &[Short],
    asked: &Resources,
) -> Reason {
    if reach.is_empty() {
        return Reason::NoNodes;
    }
    let scarcest = shortages.first();
    if able.is_empty() {
        let worst = shortages.iter().find(|short| short.most < short.asked).or(scarcest);
        return worst.map_or(Reason::NoNodes, |short| Reason::NothingFits {
            dimension: short.dimension.to_string(),
            asked: short.dimension.show(short.asked),
            most: short.dimension.show(short.most),
        });
    }
    if !left.is_empty() {
        return Reason::Next;
    }
    let (dimension, amount, free) = scarcest.map_or_else(
        || most_lacking(able, asked),
        |short| (short.dimension.clone(), short.asked, short.free),
    );
    Reason::Busy {
        nodes: able.len(),
        asked: dimension.show(amount),
        free: dimension.show(free),
        dimension: dimension.to_string(),
    }
}

/// Where no single dimension is short on every node: the one that most nodes lack.
fn most_lacking(able: &[&Node], asked: &Resources) -> (Dimension, u64, u64) {
    let lacking = |dimension: &Dimension| {
        able.iter().filter(|node| node.free().amount(dimension) < asked.amount(dimension)).count()
    };
    let dimension =
        dimensions(asked).into_iter().rev().max_by_key(lacking).unwrap_or(Dimension::Cpus);
    let lacks =
        able.iter().filter(|node| node.free().amount(&dimension) < asked.amount(&dimension));
    let free = lacks.map(|node| node.free().amount(&dimension)).max().unwrap_or(0);
    let amount = asked.amount(&dimension);
    (dimension, amount, free)
}

fn dimensions(asked: &Resources) -> Vec<Dimension> {
    let fixed = [Dimension::Cpus, Dimension::Memory, Dimension::Disk];
    let extras = asked.extras.iter().map(|(name, _)| Dimension::Extra(name.clone()));
    fixed.into_iter().chain(extras).filter(|dimension| asked.amount(dimension) > 0).collect()
}

fn step(code: &'static str, condition: &str, left: &[&Node]) -> FunnelStep {
    FunnelStep { code, condition: condition.to_owned(), nodes_left: left.len() }
}
