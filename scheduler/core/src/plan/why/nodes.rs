//! The funnel: how many nodes are left after each condition, and what is short on the rest.

use repower_model::{Dimension, NodePhase, Resources};

use super::{FunnelStep, Short};
use crate::plan::{avoided, filter};
use crate::reason::Reason;
use crate::state::{Job, Node, State};

pub(super) type Verdict = (Vec<FunnelStep>, Vec<Short>, Reason);

pub(super) fn nodes(state: &State, job: &Job, place: Option<u32>) -> Verdict {
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

pub(super) fn dimensions(asked: &Resources) -> Vec<Dimension> {
    let fixed = [Dimension::Cpus, Dimension::Memory, Dimension::Disk];
    let extras = asked.extras.iter().map(|(name, _)| Dimension::Extra(name.clone()));
    fixed.into_iter().chain(extras).filter(|dimension| asked.amount(dimension) > 0).collect()
}

fn step(code: &'static str, condition: &str, left: &[&Node]) -> FunnelStep {
    FunnelStep { code, condition: condition.to_owned(), nodes_left: left.len() }
}
