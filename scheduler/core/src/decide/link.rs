//! Links to agents: what an agent still knows, and what is lost with it.

use std::collections::BTreeSet;

use repower_model::{
    AttemptId, Instance, Inventory, LabelRule, NodeId, NodePhase, OnDisconnect, Outcome, RankId,
    StopReason, Usage, check_label,
};

use super::finding;
use super::report::{End, finish, live};
use crate::draft::{Draft, broken_by};
use crate::effect::{Answer, Effect};
use crate::fact::Fact;
use crate::life::attempt::Phase;
use crate::refusal::Refusal;
use crate::state::State;

pub(crate) fn hello(
    draft: &mut Draft<'_>,
    id: NodeId,
    instance: Instance,
    inventory: &Inventory,
    held: &[RankId],
) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    labels(inventory)?;
    let same = node.instance == Some(instance);
    let news = !same || node.phase != NodePhase::Up || node.inventory != *inventory;
    let here = processes_on(draft, id);
    let known: BTreeSet<RankId> = held.iter().copied().collect();
    if news {
        let inventory = Box::new(inventory.clone());
        draft.push(Fact::NodeConnected { node: id, instance, inventory });
    }
    let mut started = BTreeSet::new();
    for (rank, phase) in here {
        if known.contains(&rank) {
            remind(draft, id, rank, phase);
            finding::remind(draft, id, rank);
        } else if !same {
            lose(draft, rank, "the agent was restarted, and its tasks ended with it");
        } else if phase == Phase::Placed && never_arrived(draft, id, rank.attempt, &known) {
            // One order starts all ranks of a node.
            if started.insert(rank.attempt) {
                draft.owe(Effect::Start { node: id, attempt: rank.attempt });
            }
        } else {
            resolve(draft, rank, phase);
        }
    }
    for rank in held {
        let is_ours = live(draft.state(), rank.attempt).is_some_and(|live| live.has(rank.rank, id));
        if !is_ours {
            draft.owe(Effect::Stop { node: id, rank: *rank, why: StopReason::Stale });
        }
    }
    Ok(Answer::Done)
}

/// Refuses labels that no rule could ask for, and more than anybody reads.
fn labels(inventory: &Inventory) -> Result<(), Refusal> {
    let bad = |problem| Refusal::BadText { what: "a label of the node", problem };
    let (count, most) = (inventory.labels.len(), LabelRule::MOST);
    if count > most {
        return Err(bad(format!("is one of {count}, but a node has at most {most}")));
    }
    let mut labels = inventory.labels.iter();
    labels
        .try_for_each(|(name, value)| check_label(name, value))
        .map_err(|error| bad(format!("is not one: {error}")))
}

/// The agent has it; it may have missed that it should stop.
fn remind(draft: &mut Draft<'_>, node: NodeId, rank: RankId, phase: Phase) {
    let why = match phase {
        Phase::Placed | Phase::Running => return,
        Phase::Recalled => StopReason::Recalled,
        Phase::Preempting => StopReason::Preempted,
        Phase::Draining => StopReason::Drained,
        Phase::Ending => live(draft.state(), rank.attempt)
            .and_then(|live| live.ranks.as_ref()?.cause.as_ref())
            .map_or(StopReason::Cancelled, |cause| broken_by(&cause.outcome)),
        Phase::Cancelling if draft.state().findings.condemn(rank.attempt).is_some() => {
            StopReason::Finding
        }
        Phase::Cancelling => StopReason::Cancelled,
    };
    draft.owe(Effect::Stop { node, rank, why });
}

/// Whether the order to start what a node has of an attempt never got there: the agent, which is
/// still the same, knows nothing of it, and has said nothing of it.
fn never_arrived(
    draft: &Draft<'_>,
    node: NodeId,
    attempt: AttemptId,
    known: &BTreeSet<RankId>,
) -> bool {
    let Some(live) = live(draft.state(), attempt) else {
        return false;
    };
    live.ranks.as_ref().is_none_or(|ranks| {
        ranks.on(node).all(|rank| {
            let was_heard = ranks.started.contains(rank) || ranks.ended.contains(rank);
            !was_heard && !known.contains(&attempt.rank(rank))
        })
    })
}

/// The same agent does not have it, and it is not to be started, or was: an agent knows what it runs,
/// and what it has ended until that is acknowledged.
fn resolve(draft: &mut Draft<'_>, rank: RankId, phase: Phase) {
    match phase {
        Phase::Recalled | Phase::Preempting | Phase::Draining => {
            end(draft, rank, &Outcome::Recalled);
        }
        Phase::Ending | Phase::Cancelling => end(draft, rank, &Outcome::Cancelled),
        Phase::Placed | Phase::Running => {
            lose(draft, rank, "the agent no longer knows the task");
        }
    }
}

pub(crate) fn silent(draft: &mut Draft<'_>, id: NodeId, reason: &str) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    if node.phase == NodePhase::Up {
        draft.push(Fact::NodeLost { node: id, reason: reason.to_owned() });
        let detail = format!("the node was lost: {reason}");
        for (rank, _) in processes_on(draft, id) {
            if !keeps(draft.state(), rank) {
                lose(draft, rank, &detail);
            }
        }
    }
    Ok(Answer::Done)
}

pub(crate) fn goodbye(draft: &mut Draft<'_>, id: NodeId, reason: &str) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    if node.phase == NodePhase::Up {
        draft.push(Fact::NodeLeft { node: id, reason: reason.to_owned() });
        for (rank, phase) in processes_on(draft, id) {
            match phase {
                // All that it ran is reported: what is left had not started.
                Phase::Placed | Phase::Recalled => end(draft, rank, &Outcome::Recalled),
                Phase::Running
                | Phase::Ending
                | Phase::Preempting
                | Phase::Draining
                | Phase::Cancelling => lose(draft, rank, "the agent ended"),
            }
        }
    }
    Ok(Answer::Done)
}

/// Whether a process goes on where it is though the scheduler cannot reach it.
fn keeps(state: &State, rank: RankId) -> bool {
    let job = state.jobs.get(&rank.attempt.task.job);
    job.is_some_and(|job| job.spec.on_disconnect == OnDisconnect::Keep)
}

pub(super) fn lose(draft: &mut Draft<'_>, rank: RankId, detail: &str) {
    end(draft, rank, &Outcome::Lost { detail: detail.to_owned() });
}

fn end(draft: &mut Draft<'_>, rank: RankId, outcome: &Outcome) {
    let started = live(draft.state(), rank.attempt).and_then(|live| match &live.ranks {
        None => live.started,
        // When exactly is not kept of each.
        Some(ranks) => ranks.first_start.filter(|_| ranks.started.contains(rank.rank)),
    });
    let at = draft.now();
    finish(draft, &End { rank, outcome, usage: Usage::default(), started, at });
}

/// Every process that a node has and that has not ended, with how far it is.
pub(super) fn processes_on(draft: &Draft<'_>, node: NodeId) -> Vec<(RankId, Phase)> {
    let state = draft.state();
    let live = state.nodes[&node].tasks();
    let live = live.filter_map(|task| Some((task, state.attempts.get(&task)?)));
    let mut found = Vec::new();
    for (task, attempt) in live {
        let id = AttemptId { task, number: attempt.number };
        let ranks = attempt.ranks.as_ref().map_or(0..1, |ranks| ranks.on(node));
        let here = ranks.filter(|rank| attempt.has(*rank, node));
        found.extend(here.map(|rank| (id.rank(rank), attempt.phase_of(rank))));
    }
    found
}
