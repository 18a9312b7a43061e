//! Why a job or task is where it is: from the state alone, with numbers.

mod forecast;
mod nodes;
mod sooner;

use std::collections::BTreeMap;

use repower_model::{
    AttemptId, Dimension, Finding, JobId, JobState, NodeId, Resources, StopStep, TaskId, Timestamp,
};

use super::pass::{kept, scored};
use super::{Room, avoided, promised, quota};
use crate::reason::Reason;
use crate::state::{Attempt, Job, Shape, State, Turn};

pub use forecast::{Basis, Forecast};
use forecast::{Claims, Waiting};
pub use sooner::Sooner;

/// How many of the jobs that go first are named.
const NAMED: usize = 3;

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
    /// The first of these jobs, at most three.
    pub ahead: Vec<Ahead>,
    /// When it will start, if it waits.
    pub forecast: Option<Forecast>,
    /// What would make it start sooner.
    pub sooner: Vec<Sooner>,
    /// The approval that it rests on, in words; `None`: it rests on none.
    pub approved: Option<String>,
}

/// A job that goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Which.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// How many of its tasks wait.
    pub tasks: u64,
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
    let Some(place) = place.filter(|place| job.pending.contains(*place)) else {
        let reason = elsewhere(state, job, place, now);
        return Some(plain(state, job, reason));
    };
    let shape = Shape::of(&job.spec);
    let (funnel, shortages, of_nodes) = nodes::nodes(state, job, Some(place));
    let held = promised(state, job.task(place))
        .filter(|_| job.findings.is_empty())
        .or_else(|| held(state, job, Some(place), now))
        .or_else(|| over_quota(state, &shape));
    let standing = state.queue.place(job.id).filter(|_| held.is_none());
    let (jobs_ahead, tasks_ahead, first) =
        standing.map_or_else(Default::default, |(_, turn)| before(state, turn));
    let named = |(job, tasks)| Ahead { job, name: state.jobs[&job].spec.name.clone(), tasks };
    let ahead = first.into_iter().map(named).collect();
    let (reason, kept_room) = match held {
        Some(reason) => (reason, Room::default()),
        None if of_nodes == Reason::Next => between(state, job, &shape, place, tasks_ahead),
        None => (of_nodes, kept(state).0),
    };
    let waiting = Waiting { job, shape: &shape, place, reason: &reason };
    let forecast = Some(forecast::forecast(state, waiting, now, &Claims::new()));
    let sooner = sooner::sooner(state, job, &shape, place, &reason, &kept_room);
    Some(Explanation {
        funnel,
        shortages,
        tasks_ahead,
        jobs_ahead,
        ahead,
        forecast,
        sooner,
        ..plain(state, job, reason)
    })
}

/// When what was explained would start if running tasks end when they claim to, and no later than they may; `None`: it
/// does not wait for them, or that makes no difference. For people to read: nothing is decided by it.
pub fn by_claims(
    state: &State,
    explained: &Explanation,
    index: Option<u32>,
    now: Timestamp,
    ends: &BTreeMap<TaskId, Timestamp>,
) -> Option<Forecast> {
    explained.forecast.as_ref()?;
    let job = state.jobs.get(&explained.job)?;
    let place = match index {
        Some(index) => job.spec.array.place(index),
        None => job.next_place(now).or_else(|| job.pending.first()),
    };
    let place = place.filter(|place| job.pending.contains(*place))?;
    let shape = Shape::of(&job.spec);
    let waiting = Waiting { job, shape: &shape, place, reason: &explained.reason };
    forecast::by_claims(state, waiting, now, ends)
}

/// How many jobs go before a turn, how many of their tasks wait, and the first of these jobs.
fn before(state: &State, turn: Turn) -> (u64, u64, Vec<(JobId, u64)>) {
    let Some(all) = scored(state) else {
        let (jobs, tasks, _) = state.queue.ahead(turn);
        return (jobs, tasks, state.queue.first_ahead(turn, NAMED));
    };
    let ahead = all.into_iter().take_while(|(other, _, _)| *other != turn);
    let ahead: Vec<_> = ahead.map(|(other, _, tasks)| (other.job, tasks)).collect();
    let tasks = ahead.iter().map(|(_, tasks)| tasks).sum();
    (ahead.len() as u64, tasks, ahead.into_iter().take(NAMED).collect())
}

/// Why what would fit has not been placed: it must not get in the way of others, or nobody has
/// looked yet.
fn between(
    state: &State,
    job: &Job,
    shape: &Shape,
    place: u32,
    tasks_ahead: u64,
) -> (Reason, Room) {
    let (room, slots) = kept(state);
    let avoid = avoided(state, job, place);
    if let Some(node) = making_room(state, shape, avoid) {
        return (Reason::MakingRoom { node: state.nodes[&node].name.clone() }, room);
    }
    if room.now(state, shape, avoid, None).is_some() {
        let strict = state.scheduling().discipline.lets_none_overtake();
        let reason = if strict && tasks_ahead > 0 {
            Reason::Behind { tasks: tasks_ahead }
        } else {
            Reason::Next
        };
        return (reason, room);
    }
    let other = slots.iter().find(|kept| kept.job != job.id);
    let reason = other.map_or(Reason::Next, |kept| Reason::WouldDelay {
        job: kept.job,
        node: state.nodes[&kept.node].name.clone(),
        at: kept.at,
    });
    (reason, room)
}

/// Where a place is promised to others, if that is why a job that fits has none.
fn making_room(state: &State, shape: &Shape, avoid: &[NodeId]) -> Option<NodeId> {
    let found = Room::default().now(state, shape, avoid, None)?;
    let is_left =
        state.promises.is_empty() || Room::of(state).now(state, shape, avoid, None).is_some();
    let mut nodes = found.shares().map(|(node, _)| node);
    let node = nodes.find(|node| state.promises.on(*node).next().is_some());
    let any = || state.promises.iter().flat_map(|(_, promise)| &promise.parts).next();
    let node = node.or_else(|| any().map(|part| part.node));
    node.filter(|_| !is_left)
}

/// The place that is promised to a task, if it has one.
fn promised(state: &State, task: TaskId) -> Option<Reason> {
    let promise = state.promises.get(task)?;
    let after = promised::waits_for(state, promise);
    let node = match after.and_then(|task| state.attempts.get(&task)) {
        Some(attempt) => promise.parts.iter().find(|part| attempt.is_on(part.node)),
        None => promise.parts.first(),
    };
    let node = node.and_then(|part| state.nodes.get(&part.node))?;
    Some(Reason::Promised { node: node.name.clone(), after })
}

fn over_quota(state: &State, shape: &Shape) -> Option<Reason> {
    let quota = quota::passed(state, shape, None)?;
    let held = state.shares.held(&shape.project).cloned().unwrap_or_default();
    let of_project = |task: &TaskId| state.jobs[&task.job].spec.project == shape.project;
    let promised = state.promises.iter().filter(|(task, _)| of_project(task));
    let (sum, node) =
        promised.fold((Resources::default(), None), |(sum, node), (task, promise)| {
            (sum.plus(&state.promised_in_all(task)), node.or(promise.parts.first()))
        });
    if let Some(part) = node
        && quota::lets_without(state, shape, &sum)
    {
        return Some(Reason::MakingRoom { node: state.nodes[&part.node].name.clone() });
    }
    let whole = shape.whole();
    let show = |amount| quota.dimension.show(amount);
    Some(Reason::Quota {
        project: shape.project.clone(),
        dimension: quota.dimension.to_string(),
        held: show(held.amount(&quota.dimension)),
        asked: show(whole.amount(&quota.dimension)),
        most: show(quota.most),
    })
}

fn plain(state: &State, job: &Job, reason: Reason) -> Explanation {
    Explanation {
        approved: approved(state, job),
        job: job.id,
        state: job.state(),
        reason,
        funnel: Vec::new(),
        shortages: Vec::new(),
        tasks_ahead: 0,
        jobs_ahead: 0,
        ahead: Vec::new(),
        forecast: None,
        sooner: Vec::new(),
    }
}

/// By whose approval a job needs no review of its own.
fn approved(state: &State, job: &Job) -> Option<String> {
    let id = job.approval?;
    Some(match state.approvals.get(id) {
        Some(one) => format!("approval {id} of {} covers it: {}", one.by, one.reason),
        None => format!("approval {id} covered it when it started, and has ended since"),
    })
}

/// The reason that has nothing to do with nodes, if there is one.
fn held(state: &State, job: &Job, place: Option<u32>, now: Timestamp) -> Option<Reason> {
    if let Some(reason) = job.held_by_policy() {
        return Some(reason);
    }
    if let Some(finding) = job.findings.first() {
        let rules = state.findings.get(*finding).map(Finding::rules).unwrap_or_default();
        return Some(Reason::FindingHeld { finding: *finding, rules });
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
        .filter(|limit| job.taken() >= u64::from(*limit))
        .map(|limit| Reason::ArrayLimit { limit })
}

/// What happens to a task that is on its nodes.
fn there(state: &State, job: &Job, task: TaskId, attempt: &Attempt, now: Timestamp) -> Reason {
    if let Some(node) = attempt.out_of_touch(state) {
        return Reason::OutOfTouch { node: node.name.clone(), since: now.since(node.since) };
    }
    let node = state.nodes[&attempt.node].name.clone();
    let Some(stop) = attempt.stop.as_deref() else {
        return if attempt.phase.is_stopping() {
            Reason::Stopping { node, last: None, next: None }
        } else {
            let id = AttemptId { task, number: attempt.number };
            noticed(state, id, &node).unwrap_or(Reason::OnNode { node })
        };
    };
    let next = match stop.step {
        StopStep::Checkpoint => Some((StopStep::Terminate, job.spec.saving())),
        StopStep::Terminate => Some((StopStep::Kill, job.spec.grace)),
        StopStep::Kill => None,
    };
    let last = Some((stop.cause, stop.step, now.since(stop.taken)));
    Reason::Stopping {
        node,
        last,
        next: next.map(|(step, after)| (step, (stop.taken + after).since(now))),
    }
}

/// What was noticed about an attempt that is on its nodes, if nobody has decided.
fn noticed(state: &State, id: AttemptId, node: &str) -> Option<Reason> {
    let finding = state.findings.undecided(id)?;
    let (node, rules) = (node.to_owned(), finding.rules());
    let (finding, response) = (finding.id, finding.response);
    Some(Reason::FindingNoticed { node, finding, rules, response })
}

/// Where a task is that does not wait.
fn elsewhere(state: &State, job: &Job, place: Option<u32>, now: Timestamp) -> Reason {
    let on_node = |task| Some(there(state, job, task, state.attempts.get(&task)?, now));
    let Some(place) = place else {
        let range = |index| repower_model::TaskId { job: job.id, index };
        let first = state.attempts.range(range(0)..=range(u32::MAX)).next();
        let reason = first.and_then(|(task, _)| on_node(*task));
        return reason.unwrap_or(Reason::Ended { how: "done" });
    };
    let how = if job.failed.contains(place) { "failed" } else { "done" };
    on_node(job.task(place)).unwrap_or(Reason::Ended { how })
}
