//! What operators do to nodes, and black holes.

use repower_model::{JobId, NodeId};

use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::refusal::Refusal;

/// So many fast failures of tasks that pass elsewhere make a black hole.
const BLACK_HOLE: usize = 3;

pub(crate) fn drain(
    draft: &mut Draft<'_>,
    node: NodeId,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    let known = draft
        .state()
        .nodes
        .get(&node)
        .ok_or(Refusal::NodeUnknown { node })?;
    let drained = (by.to_owned(), reason.to_owned());
    if known.drained.as_ref() != Some(&drained) {
        draft.push(Fact::NodeDrained {
            node,
            by: drained.0,
            reason: drained.1,
        });
    }
    Ok(Answer::Done)
}

pub(crate) fn resume(draft: &mut Draft<'_>, node: NodeId, by: &str) -> Result<Answer, Refusal> {
    let known = draft
        .state()
        .nodes
        .get(&node)
        .ok_or(Refusal::NodeUnknown { node })?;
    if known.drained.is_some() || known.held_back.is_some() {
        draft.push(Fact::NodeResumed {
            node,
            by: by.to_owned(),
        });
    }
    Ok(Answer::Done)
}

/// Holds back the nodes on which tasks of `job` fail fast though they pass elsewhere, and gives
/// back what failed there for good while its job lives. The last node that takes work is never
/// held back.
pub(crate) fn hold_back_black_holes(draft: &mut Draft<'_>, job: JobId) {
    let Some(passed_on) = draft.state().job(job).map(|job| job.passed_on.clone()) else {
        return;
    };
    if passed_on.is_empty() {
        return;
    }
    let takers = draft
        .state()
        .nodes
        .values()
        .filter(|node| node.takes_work());
    let suspects: Vec<NodeId> = takers
        .filter(|node| node.failures.iter().any(|failure| failure.task.job == job))
        .map(|node| node.id)
        .collect();
    for id in suspects {
        hold_back(draft, id);
    }
}

fn hold_back(draft: &mut Draft<'_>, id: NodeId) {
    let state = draft.state();
    let node = &state.nodes[&id];
    let elsewhere = |job: JobId| {
        state
            .job(job)
            .is_some_and(|job| job.passed_on.iter().any(|passed| *passed != id))
    };
    let evidence = node.failures_of(elsewhere);
    let others = state
        .nodes
        .values()
        .any(|other| other.id != id && other.takes_work());
    if evidence < BLACK_HOLE || !others {
        return;
    }
    let back: Vec<_> = node
        .failures
        .iter()
        .filter(|failure| failure.for_good && elsewhere(failure.task.job))
        .map(|failure| failure.task)
        .collect();
    let reason = format!("{evidence} tasks in a row failed fast here that pass on other nodes");
    draft.push(Fact::NodeHeldBack { node: id, reason });
    for task in back {
        draft.push(Fact::TaskReturned { task, node: id });
    }
}
