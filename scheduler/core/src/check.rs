//! Invariants of the state: what must hold after every fact, whatever happened.
//!
//! The simulator asks after each turn, tests ask at their ends; the daemon never does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use repower_model::{
    Finding, FindingId, Indices, Layout, NodePhase, OnDisconnect, Resources, TaskId,
};

use crate::life::attempt::Phase;
use crate::policy::Tier;
use crate::state::{Attempt, Job, Node, State};

/// Something that must never be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, in words.
    pub rule: &'static str,
    /// Where it is broken, with the numbers.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// Everything in the state that must never be so; nothing, if all is well. Cost follows live work.
pub fn violations(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    for job in state.jobs.values() {
        check_job(state, job, &mut found);
    }
    for node in state.nodes.values() {
        check_node(state, node, &mut found);
        found.extend(check_promises(state, node));
    }
    for (task, attempt) in &state.attempts {
        for node in attempt.nodes() {
            let listed = state
                .nodes
                .get(&node)
                .is_some_and(|node| node.holding.contains(task) || node.runway.contains(task));
            if listed != attempt.is_on(node) {
                let detail = format!("{task} on node {node}: listed is {listed}");
                found.push(Violation { rule: "an attempt is listed by its nodes", detail });
            }
        }
        if let Err(rule) = check_gang(state, *task, attempt) {
            found.push(Violation { rule, detail: format!("{task}: {attempt:?}") });
        }
        if attempt.until.is_some_and(|until| !state.ends.contains(&(until, *task))) {
            let detail = format!("{task} until {:?}", attempt.until);
            found.push(Violation { rule: "an end that is known is listed", detail });
        }
    }
    let ends = state.attempts.values().filter(|attempt| attempt.until.is_some()).count();
    if ends != state.ends.len() {
        let detail = format!("{ends} of attempts, {} listed", state.ends.len());
        found.push(Violation { rule: "only live attempts have ends", detail });
    }
    check_shares(state, &mut found);
    found
}

fn check_shares(state: &State, found: &mut Vec<Violation>) {
    let mut held: BTreeMap<&str, Resources> = BTreeMap::new();
    for (task, attempt) in state.attempts.iter().filter(|(_, attempt)| !attempt.runway) {
        if let (Some(asked), Some(job)) = (state.asked(*task), state.jobs.get(&task.job)) {
            let sum = held.entry(&job.spec.project).or_default();
            *sum = sum.plus(&asked.times(attempt.left().len() as u64));
        }
    }
    for (task, _) in state.promises.iter() {
        let sum = held.entry(&state.jobs[&task.job].spec.project).or_default();
        *sum = sum.plus(&state.promised_in_all(task));
    }
    for (project, share) in state.shares.projects() {
        let sum = held.remove(project).unwrap_or_default();
        if sum != share.held {
            let detail = format!("{project}: {sum:?}, {:?}", share.held);
            found.push(Violation {
                rule: "a project holds what its tasks hold or are promised",
                detail,
            });
        }
    }
    if let Some((project, sum)) = held.into_iter().find(|(_, sum)| *sum != Resources::default()) {
        let detail = format!("{project}: {sum:?}, nothing");
        found.push(Violation {
            rule: "a project holds what its tasks hold or are promised",
            detail,
        });
    }
}

fn check_job(state: &State, job: &Job, found: &mut Vec<Violation>) {
    let mut broken = |rule, detail| found.push(Violation { rule, detail });
    let parts = [job.pending.len(), job.live, job.succeeded, job.failed.len(), job.cancelled.len()];
    if parts.iter().sum::<u64>() != job.count() {
        broken(
            "every task is in one place",
            format!("job {}: {parts:?} of {}", job.id, job.count()),
        );
    }
    let mut live = 0;
    for (task, attempt) in state.attempts.range(all_of(job)) {
        live += 1;
        let place = job.place(*task);
        if place.is_none_or(|place| job.pending.contains(place) || job.failed.contains(place)) {
            broken("a task on a node neither waits nor has ended", format!("{task}"));
        }
        let before = place.and_then(|place| job.tries.get(&place)).map_or(0, |tries| tries.number);
        if attempt.number < before.max(1) {
            broken(
                "attempt numbers only grow",
                format!("{task}#{} after {before}", attempt.number),
            );
        }
    }
    if live != job.live {
        broken(
            "live tasks are counted",
            format!("job {}: {live} live, {} counted", job.id, job.live),
        );
    }
    if job.limit().is_some_and(|limit| job.taken() > u64::from(limit)) {
        broken("an array's limit holds", format!("job {}: {live} of {:?}", job.id, job.limit()));
    }
    let mut promised = Indices::default();
    for place in state.promises.iter().filter_map(|(task, _)| job_place(job, task)) {
        promised.insert(place);
    }
    if promised != job.promised {
        broken("the promises of a job are known to it", format!("job {}", job.id));
    }
    let mut blocked = promised;
    job.open.values().for_each(|open| blocked.add(open));
    if blocked != job.blocked || job.blocked.without(&job.pending).next().is_some() {
        broken(
            "what waits for another task or for a promised place is pending",
            format!("job {}", job.id),
        );
    }
    if job.tier == Tier::Prohibited {
        broken("prohibited work is never accepted", format!("job {}", job.id));
    }
    if live > 0 && job.review {
        broken("work under review never runs", format!("job {}", job.id));
    }
    let policy = state.policy.as_ref().map(|(policy, _)| policy);
    if policy.is_some_and(|policy| job.is_barred_by(policy) != job.barred) {
        broken("the policy in force bars what it prohibits", format!("job {}", job.id));
    }
    let unstarted = |(_, attempt): (_, &Attempt)| attempt.phase == Phase::Placed;
    if job.barred && state.attempts.range(all_of(job)).any(unstarted) {
        broken("what the policy bars does not start", format!("job {}", job.id));
    }
    if job.approval.is_some_and(|id| job.started.is_none() && state.approvals.get(id).is_none()) {
        broken("what rests on an approval has one", format!("job {}", job.id));
    }
    let holding = |id: &FindingId| state.findings.get(*id).is_some_and(Finding::holds_job);
    if let Some(finding) = job.findings.iter().find(|id| !holding(id)) {
        broken("a job is held by what nobody has decided", format!("job {}: {finding}", job.id));
    }
    if job.is_done() {
        broken("a job that is done leaves memory", format!("job {}", job.id));
    }
    let ready = job.ready_at().is_some_and(|at| at <= state.now);
    if ready != state.queue.is_ready(job.id) {
        broken("the queue holds what is ready", format!("job {}: ready is {ready}", job.id));
    }
}

fn job_place(job: &Job, task: TaskId) -> Option<u32> {
    job.place(task).filter(|_| task.job == job.id)
}

/// Only nodes that take work are promised; one that rests for a moment will.
fn check_promises(state: &State, node: &Node) -> Option<Violation> {
    let task = state.promises.on(node.id).next()?;
    let takes = node.takes_work() || node.rests_until.is_some();
    let detail = format!("node {} to {task}", node.id);
    (!takes).then_some(Violation { rule: "only nodes that take work are promised", detail })
}

fn all_of(job: &Job) -> std::ops::RangeInclusive<TaskId> {
    TaskId { job: job.id, index: 0 }..=TaskId { job: job.id, index: u32::MAX }
}

/// A gang is whole or not at all.
fn check_gang(state: &State, task: TaskId, attempt: &Attempt) -> Result<(), &'static str> {
    let hold = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let Some(job) = state.jobs.get(&task.job) else { return Ok(()) };
    hold(
        job.spec.gang.is_some() == attempt.ranks.is_some(),
        "a task has ranks if its job is a gang",
    )?;
    let (Some(gang), Some(ranks)) = (&job.spec.gang, &attempt.ranks) else { return Ok(()) };
    let nodes: BTreeSet<_> = ranks.parts.iter().map(|part| part.node).collect();
    let once = nodes.len() == ranks.parts.len();
    let shares = match gang.layout {
        Layout::Spread => {
            let even = ranks.parts.iter().all(|part| part.ranks == gang.ranks_per_node);
            even && u32::try_from(nodes.len()) == Ok(gang.nodes)
        }
        Layout::Pack => ranks.parts.iter().all(|part| part.ranks > 0),
    };
    hold(
        once && shares && ranks.count() == gang.ranks() && !attempt.runway,
        "a gang is whole or not at all",
    )?;
    hold(
        ranks.parts.first().map(|part| part.node) == Some(attempt.node),
        "a gang begins somewhere",
    )?;
    hold(!ranks.all_ended(), "a gang ends with its last rank")?;
    hold(attempt.phase != Phase::Recalled, "a gang is never recalled")?;
    hold(
        attempt.phase != Phase::Running || ranks.all_started(),
        "a gang runs when all of its ranks do",
    )?;
    hold(attempt.phase != Phase::Ending || ranks.cause.is_some(), "a gang is ended for a cause")?;
    let goes_on = matches!(attempt.phase, Phase::Placed | Phase::Running);
    hold(!goes_on || ranks.cause.is_none(), "no rank goes on without the others")
}

fn check_node(state: &State, node: &Node, found: &mut Vec<Violation>) {
    let mut broken = |rule, detail| found.push(Violation { rule, detail });
    for task in node.tasks() {
        if state.attempts.get(&task).is_none_or(|attempt| !attempt.is_on(node.id)) {
            broken("a node lists only its own attempts", format!("{task} on {}", node.name));
        }
    }
    let mut sum = Resources::default();
    for task in &node.holding {
        let Some(asked) = state.asked(*task) else { continue };
        let alone = state.jobs[&task.job].spec.constraints.exclusive;
        let here = asked.times(state.attempts[task].processes_on(node.id).into());
        sum = sum.plus(if alone { node.capacity() } else { &here });
        if alone && node.holding.len() > 1 {
            broken("a node is shared with nobody who wants it alone", node.name.clone());
        }
    }
    if sum != node.used {
        broken(
            "what is used is what its tasks hold",
            format!("{}: {sum:?}, {:?}", node.name, node.used),
        );
    }
    if node.phase == NodePhase::Up && !node.capacity().holds(&node.used) {
        broken("a node is never overcommitted", format!("{}: {:?}", node.name, node.used));
    }
    let kept = |task: &TaskId| {
        let job = state.jobs.get(&task.job);
        node.phase == NodePhase::Lost
            && job.is_some_and(|job| job.spec.on_disconnect == OnDisconnect::Keep)
    };
    let idle = matches!(node.phase, NodePhase::Lost | NodePhase::Left);
    if idle && let Some(task) = node.tasks().find(|task| !kept(task)) {
        broken("a lost node has only what is kept there", format!("{task} on {}", node.name));
    }
}
