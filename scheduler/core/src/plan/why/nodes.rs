//! The funnel: how many nodes are left after each condition, and what is short on the rest.

use repower_model::{Dimension, Gang, Layout, NodePhase, Resources};

use super::{FunnelStep, Short};
use crate::plan::{avoided, filter};
use crate::reason::{self, Reason};
use crate::state::{Job, Node, State};

pub(super) type Verdict = (Vec<FunnelStep>, Vec<Short>, Reason);

/// The funnel for the amounts with which a task is nearest to starting.
pub(super) fn nodes(state: &State, job: &Job, place: Option<u32>) -> Verdict {
    let others = job.spec.alternatives.iter().map(|asked| with(state, job, place, asked));
    let first = with(state, job, place, &job.spec.resources);
    others.fold(first, |best, other| if far(&other.2) < far(&best.2) { other } else { best })
}

/// How far from a start something is; less is nearer.
fn far(reason: &Reason) -> u8 {
    match reason {
        Reason::Next => 0,
        Reason::Busy { .. }
        | Reason::Occupied { .. }
        | Reason::Runway { .. }
        | Reason::Gang { .. } => 1,
        Reason::Reserved { .. } => 2,
        Reason::Review { .. }
        | Reason::Suspect { .. }
        | Reason::Barred { .. }
        | Reason::Dependency { .. }
        | Reason::TaskDependency { .. }
        | Reason::StartAfter { .. }
        | Reason::RetryAfter { .. }
        | Reason::ArrayLimit { .. }
        | Reason::NoNodes
        | Reason::NoneMeets { .. }
        | Reason::NothingFits { .. }
        | Reason::Quota { .. }
        | Reason::WouldDelay { .. }
        | Reason::Promised { .. }
        | Reason::MakingRoom { .. }
        | Reason::Behind { .. }
        | Reason::OnNode { .. }
        | Reason::Stopping { .. }
        | Reason::OutOfTouch { .. }
        | Reason::FindingHeld { .. }
        | Reason::FindingNoticed { .. }
        | Reason::Ended { .. } => 3,
    }
}

/// Why the ranks of a gang cannot all start: of the nodes that could hold a share of them, too few
/// have room.
fn together(gang: &Gang, rank: &Resources, able: &[&Node], left: &[&Node]) -> Option<Reason> {
    let (wanted, free, most, noun) = match gang.layout {
        Layout::Spread => (u64::from(gang.nodes), left.len() as u64, able.len() as u64, "node"),
        Layout::Pack => {
            let ranks = |of: &dyn Fn(&Node) -> Resources, nodes: &[&Node]| {
                nodes.iter().map(|node| u64::from(of(node).fits(rank, gang.ranks()))).sum()
            };
            let free = ranks(&Node::free, left);
            (u64::from(gang.ranks()), free, ranks(&|node| node.capacity().clone(), able), "rank")
        }
    };
    (free < wanted).then_some(Reason::Gang { wanted, free, most, noun })
}

fn with(state: &State, job: &Job, place: Option<u32>, asked: &Resources) -> Verdict {
    // Of a gang that is spread, what each node must hold of it.
    let ranks = job.spec.gang.filter(|gang| gang.layout == Layout::Spread);
    let share = asked.times(ranks.map_or(1, |gang| u64::from(gang.ranks_per_node)));
    let asked = &share;
    let avoid = place.map_or(&[][..], |place| avoided(state, job, place));
    let mut left: Vec<&Node> = state.nodes.values().collect();
    let mut funnel = vec![step("nodes.enrolled", "enrolled", &left)];
    left.retain(|node| node.phase == NodePhase::Up);
    funnel.push(step("nodes.up", "up", &left));
    left.retain(|node| node.drained.is_none());
    funnel.push(step("nodes.not-drained", "not drained", &left));
    left.retain(|node| node.held_back.is_none());
    funnel.push(step("nodes.not-held-back", "not held back", &left));
    let needs = job.spec.abilities();
    for condition in filter::conditions(&job.spec.constraints, &needs, job.spec.gang.as_ref()) {
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
        let condition = format!("has {}", said(&dimension, amount));
        funnel.push(FunnelStep { code: "resources.capacity", condition, nodes_left: left.len() });
    }
    if let Some(reason) = reserved(state, job, &mut left, &mut funnel) {
        return (funnel, shortages, reason);
    }
    let able = left.clone();
    for dimension in dimensions(asked) {
        let amount = asked.amount(&dimension);
        left.retain(|node| node.free().amount(&dimension) >= amount);
        let condition = format!("has {} free", said(&dimension, amount));
        funnel.push(FunnelStep { code: "resources.free", condition, nodes_left: left.len() });
        let among = if able.is_empty() { &reach } else { &able };
        let free = among.iter().map(|node| node.free().amount(&dimension)).max().unwrap_or(0);
        let most = among.iter().map(|node| node.capacity().amount(&dimension)).max().unwrap_or(0);
        if !reach.is_empty() && (free < amount || (able.is_empty() && most < amount)) {
            shortages.push(Short { dimension, asked: amount, free, most });
        }
    }
    if job.spec.constraints.exclusive && !left.is_empty() {
        left.retain(|node| node.free() == *node.capacity());
        funnel.push(step("nodes.unoccupied", "runs nothing else", &left));
        if left.is_empty() {
            return (funnel, shortages, Reason::Occupied { nodes: able.len() });
        }
    }
    let nodes = left.len();
    left.retain(|node| node.runway.is_empty());
    if left.len() < nodes {
        funnel.push(step("nodes.no-runway", "has no short tasks waiting for room", &left));
    }
    let reason = match &job.spec.gang {
        None if left.is_empty() && nodes > 0 => Reason::Runway { nodes },
        Some(gang) if !able.is_empty() => {
            together(gang, asked, &able, &left).unwrap_or(Reason::Next)
        }
        _ => verdict(&reach, &able, &left, &shortages, asked),
    };
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
    let most = || most_lacking(able, asked);
    let (dimension, amount) =
        scarcest.map_or_else(most, |short| (short.dimension.clone(), short.asked));
    let free = able.iter().map(|node| node.free().amount(&dimension));
    let lacks: Vec<_> = free.filter(|free| *free < amount).collect();
    Reason::Busy {
        nodes: able.len(),
        lacking: lacks.len(),
        asked: dimension.show(amount),
        free: dimension.show(lacks.into_iter().max().unwrap_or(0)),
        dimension: dimension.to_string(),
    }
}

/// Where no single dimension is short on every node: the one that most nodes lack.
fn most_lacking(able: &[&Node], asked: &Resources) -> (Dimension, u64) {
    let lacking = |dimension: &Dimension| {
        able.iter().filter(|node| node.free().amount(dimension) < asked.amount(dimension)).count()
    };
    let dimension =
        dimensions(asked).into_iter().rev().max_by_key(lacking).unwrap_or(Dimension::Cpus);
    let amount = asked.amount(&dimension);
    (dimension, amount)
}

pub(super) fn dimensions(asked: &Resources) -> Vec<Dimension> {
    let fixed = [Dimension::Cpus, Dimension::Memory, Dimension::Disk];
    let extras = asked.extras.iter().map(|(name, _)| Dimension::Extra(name.clone()));
    fixed.into_iter().chain(extras).filter(|dimension| asked.amount(dimension) > 0).collect()
}

fn said(dimension: &Dimension, amount: u64) -> String {
    reason::amount(&dimension.show(amount), &dimension.to_string())
}

fn step(code: &'static str, condition: &str, left: &[&Node]) -> FunnelStep {
    FunnelStep { code, condition: condition.to_owned(), nodes_left: left.len() }
}
