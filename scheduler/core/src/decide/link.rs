//! Links to agents: what an agent still knows, and what is lost with it.

use std::collections::BTreeSet;

use repower_model::{
    AttemptId, Instance, Inventory, LabelRule, NodeId, NodePhase, Outcome, StopReason, Usage,
    check_label,
};

use super::report::{End, finish, live};
use crate::draft::Draft;
use crate::effect::{Answer, Effect};
use crate::fact::Fact;
use crate::life::attempt::Phase;
use crate::refusal::Refusal;

pub(crate) fn hello(
    draft: &mut Draft<'_>,
    id: NodeId,
    instance: Instance,
    inventory: &Inventory,
    held: &[AttemptId],
) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    labels(inventory)?;
    let same = node.instance == Some(instance);
    let news = !same || node.phase != NodePhase::Up || node.inventory != *inventory;
    let here = attempts_on(draft, id);
    let known: BTreeSet<AttemptId> = held.iter().copied().collect();
    if news {
        let inventory = Box::new(inventory.clone());
        draft.push(Fact::NodeConnected { node: id, instance, inventory });
    }
    for (attempt, phase) in here {
        if known.contains(&attempt) {
            remind(draft, id, attempt, phase);
        } else if same {
            resend(draft, id, attempt, phase);
        } else {
            lose(draft, attempt, "the agent was restarted, and its tasks ended with it");
        }
    }
    for attempt in held {
        let is_ours = live(draft.state(), *attempt).is_some_and(|live| live.node == id);
        if !is_ours {
            draft.owe(Effect::Stop { node: id, attempt: *attempt, why: StopReason::Stale });
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
fn remind(draft: &mut Draft<'_>, node: NodeId, attempt: AttemptId, phase: Phase) {
    let why = match phase {
        Phase::Placed | Phase::Running => return,
        Phase::Recalled => StopReason::Recalled,
        Phase::Preempting => StopReason::Preempted,
        Phase::Cancelling => StopReason::Cancelled,
    };
    draft.owe(Effect::Stop { node, attempt, why });
}

/// The same agent does not have it, so it never arrived: an agent knows what it runs, and what it
/// has ended until that is acknowledged.
fn resend(draft: &mut Draft<'_>, node: NodeId, attempt: AttemptId, phase: Phase) {
    match phase {
        Phase::Placed => draft.owe(Effect::Start { node, attempt }),
        Phase::Recalled | Phase::Preempting => end(draft, attempt, &Outcome::Recalled),
        Phase::Cancelling => end(draft, attempt, &Outcome::Cancelled),
        Phase::Running => lose(draft, attempt, "the agent no longer knows the task"),
    }
}

pub(crate) fn silent(draft: &mut Draft<'_>, id: NodeId, reason: &str) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    if node.phase == NodePhase::Up {
        draft.push(Fact::NodeLost { node: id, reason: reason.to_owned() });
        lose_all(draft, id, &format!("the node was lost: {reason}"));
    }
    Ok(Answer::Done)
}

pub(crate) fn goodbye(draft: &mut Draft<'_>, id: NodeId, reason: &str) -> Result<Answer, Refusal> {
    let node = draft.state().nodes.get(&id).ok_or(Refusal::NodeUnknown { node: id })?;
    if node.phase == NodePhase::Up {
        draft.push(Fact::NodeLeft { node: id, reason: reason.to_owned() });
        for (attempt, phase) in attempts_on(draft, id) {
            match phase {
                // All that it ran is reported: what is left had not started.
                Phase::Placed | Phase::Recalled => end(draft, attempt, &Outcome::Recalled),
                Phase::Running | Phase::Preempting | Phase::Cancelling => {
                    lose(draft, attempt, "the agent ended");
                }
            }
        }
    }
    Ok(Answer::Done)
}

fn lose_all(draft: &mut Draft<'_>, node: NodeId, detail: &str) {
    for (attempt, _) in attempts_on(draft, node) {
        lose(draft, attempt, detail);
    }
}

fn lose(draft: &mut Draft<'_>, attempt: AttemptId, detail: &str) {
    end(draft, attempt, &Outcome::Lost { detail: detail.to_owned() });
}

fn end(draft: &mut Draft<'_>, attempt: AttemptId, outcome: &Outcome) {
    let started = live(draft.state(), attempt).and_then(|live| live.started);
    let at = draft.now();
    finish(draft, &End { attempt, outcome, usage: Usage::default(), started, at });
}

fn attempts_on(draft: &Draft<'_>, node: NodeId) -> Vec<(AttemptId, Phase)> {
    let state = draft.state();
    let tasks = state.nodes[&node].tasks();
    tasks
        .filter_map(|task| state.attempts.get(&task).map(|attempt| (task, attempt)))
        .map(|(task, attempt)| (AttemptId { task, number: attempt.number }, attempt.phase))
        .collect()
}
