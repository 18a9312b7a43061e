//! What operators do to nodes, and black holes.

use repower_model::{AttemptId, JobId, NodeId, NodePhase, StopReason};

use super::link::{lose, processes_on};
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::input::Rest;
use crate::life::attempt::{self, Event};
use crate::plan::gang;
use crate::refusal::Refusal;

/// Fewer fast failures in a row than this are no evidence, however well the job does elsewhere.
const FEWEST: usize = 3;

/// A node is held back when its failures in a row would come about by chance less often than this,
/// in millionths, if tasks failed there as often as elsewhere.
const CHANCE: u64 = 1000;

pub(crate) fn drain(
    draft: &mut Draft<'_>,
    node: NodeId,
    rest: Rest,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    let known = draft.state().nodes.get(&node).ok_or(Refusal::NodeUnknown { node })?;
    if rest == Rest::IsGivenUp && known.phase == NodePhase::Up {
        return Err(Refusal::NodeIsUp { name: known.name.clone() });
    }
    let drained = (by.to_owned(), reason.to_owned());
    if known.drained.as_ref() != Some(&drained) {
        draft.push(Fact::NodeDrained { node, by: drained.0, reason: drained.1 });
    }
    match rest {
        Rest::Finishes => {}
        Rest::Stops => stop_all(draft, node, by, reason),
        Rest::IsGivenUp => {
            let detail = format!("{by} gave its node up, which was out of touch: {reason}");
            for (rank, _) in processes_on(draft, node) {
                lose(draft, rank, &detail);
            }
        }
    }
    Ok(Answer::Done)
}

/// Stops what a node has; of a gang, all of it.
fn stop_all(draft: &mut Draft<'_>, node: NodeId, by: &str, reason: &str) {
    let state = draft.state();
    let live =
        state.nodes[&node].tasks().filter_map(|task| Some((task, state.attempts.get(&task)?)));
    let live = live.filter(|(_, one)| attempt::after(one.phase, Event::Drain).is_some());
    let stopping: Vec<_> = live.map(|(task, one)| AttemptId { task, number: one.number }).collect();
    for attempt in stopping {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        draft.push(Fact::AttemptStopping { attempt, why: StopReason::Drained, by, reason });
    }
}

pub(crate) fn resume(draft: &mut Draft<'_>, node: NodeId, by: &str) -> Result<Answer, Refusal> {
    let known = draft.state().nodes.get(&node).ok_or(Refusal::NodeUnknown { node })?;
    if known.drained.is_some() || known.held_back.is_some() {
        draft.push(Fact::NodeResumed { node, by: by.to_owned() });
    }
    Ok(Answer::Done)
}

/// Holds back the nodes on which tasks of `job` fail fast though they pass elsewhere, and gives
/// back what failed there for good while its job lives and nobody has cancelled any of it. The last node that takes work and
/// could hold its tasks is never held back.
pub(crate) fn hold_back_black_holes(draft: &mut Draft<'_>, job: JobId) {
    let Some(passed_on) = draft.state().job(job).map(|job| job.passed_on.clone()) else {
        return;
    };
    if passed_on.is_empty() {
        return;
    }
    let state = draft.state();
    let suspects = state.suspects.iter().map(|id| &state.nodes[id]);
    let suspects: Vec<NodeId> = suspects
        .filter(|node| node.takes_work())
        .filter(|node| node.failures.iter().any(|failure| failure.task.job == job))
        .map(|node| node.id)
        .collect();
    for id in suspects {
        hold_back(draft, id, job);
    }
}

fn hold_back(draft: &mut Draft<'_>, id: NodeId, job: JobId) {
    let state = draft.state();
    let (node, job) = (&state.nodes[&id], &state.jobs[&job]);
    let here = || node.failures.iter().filter(|failure| failure.task.job == job.id);
    let back: Vec<_> =
        here().filter(|failure| failure.for_good).map(|failure| failure.task).collect();
    let elsewhere = job.failed.len().saturating_sub(back.len() as u64);
    let evidence = here().count();
    let passes_elsewhere = job.passed_on.iter().any(|passed| *passed != id);
    let others = state.nodes.values().filter(|other| other.id != id);
    let others = gang::could_hold(others, &job.spec);
    if !passes_elsewhere || !others || !is_unlikely(evidence, elsewhere, job.succeeded) {
        return;
    }
    let reason = format!(
        "{evidence} tasks of job {} in a row failed fast here, and {} passed on other nodes",
        job.id, job.succeeded
    );
    let back = if job.stopped { Vec::new() } else { back };
    draft.push(Fact::NodeHeldBack { node: id, reason });
    for task in back {
        draft.push(Fact::TaskReturned { task, node: id });
    }
}

/// Whether so many failures in a row are unlikely for a job of which so many tasks failed and
/// passed elsewhere. The rate elsewhere is estimated by Laplace's rule of succession.
fn is_unlikely(in_a_row: usize, failed: u64, passed: u64) -> bool {
    const ONE: u64 = 1_000_000;
    let chance =
        (0..in_a_row.min(64)).fold(ONE, |chance, _| chance * (failed + 1) / (failed + passed + 2));
    in_a_row >= FEWEST && chance <= CHANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_failures_in_a_row_count_only_where_the_job_does_well_elsewhere() {
        assert!(!is_unlikely(2, 0, 1_000_000));
        assert!(is_unlikely(3, 0, 10));
        assert!(!is_unlikely(6, 0, 1), "one pass says little");
        assert!(is_unlikely(7, 0, 1));
        assert!(!is_unlikely(5, 300, 700), "a third of its tasks fails everywhere");
        assert!(is_unlikely(8, 300, 700));
    }
}
