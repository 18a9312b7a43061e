//! What runs now, and what it uses.

use std::cmp::Reverse;

use repower_core::state::State;
use repower_model::{AttemptId, NodeId, TaskId};
use repower_proto::convert::moment_ms;
use repower_proto::v1;

use super::{reservations, summary};
use crate::claims;
use crate::clock;
use crate::problem::Problem;
use crate::shared::Shared;

/// How many tasks are told if nothing is said.
const USUAL: u32 = 100;
/// The most that can be asked for.
const MOST: u32 = 10_000;

/// What runs now, best first by what is asked for.
pub(super) fn running(
    shared: &Shared,
    request: &v1::RunningRequest,
) -> Result<v1::RunningReply, Problem> {
    let limit = if request.limit == 0 { USUAL } else { request.limit };
    if limit > MOST {
        let text = format!("{limit} tasks are asked for, but at most {MOST} can be");
        return Err(Problem::bad_request(text).hint("name a project, a node or a job"));
    }
    let node = match &*request.node {
        "" => None,
        name => Some(reservations::id_of(shared, name)?),
    };
    if shared.samples.watched(clock::steady()) {
        shared.links.sample();
    }
    let mut tasks = {
        let state = shared.published.read();
        collect(&state, request, node, shared)
    };
    let total = tasks.len() as u64;
    match request.order() {
        v1::RunningOrder::Unspecified | v1::RunningOrder::Cpu => {
            tasks.sort_by_key(|task| Reverse((task.cpu_milli, task.cpu_us)));
        }
        v1::RunningOrder::Memory => tasks.sort_by_key(|task| Reverse(task.memory_bytes)),
        v1::RunningOrder::Time => {
            tasks.sort_by_key(|task| if task.started_ms == 0 { i64::MAX } else { task.started_ms });
        }
    }
    tasks.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(v1::RunningReply { tasks, total })
}

fn collect(
    state: &State,
    request: &v1::RunningRequest,
    only: Option<NodeId>,
    shared: &Shared,
) -> Vec<v1::RunningTask> {
    let now = clock::steady();
    let mut tasks = Vec::new();
    for (task, attempt) in &state.attempts {
        if attempt.runway || (request.job > 0 && task.job.0 != request.job) {
            continue;
        }
        let Some(job) = state.job(task.job) else { continue };
        if !request.project.is_empty() && job.spec.project != request.project {
            continue;
        }
        for (rank, node) in attempt.left() {
            if only.is_some_and(|only| only != node) {
                continue;
            }
            let id = AttemptId { task: *task, number: attempt.number }.rank(rank);
            let known = shared.samples.of(node, id, now);
            let progress = shared.claims.of(node, id);
            let TaskId { job: number, index } = *task;
            tasks.push(v1::RunningTask {
                job: number.0,
                index,
                attempt: attempt.number,
                rank: job.spec.gang.is_some().then_some(rank),
                state: v1::TaskState::from(summary::at(attempt.phase_of(rank))).into(),
                name: job.spec.name.clone(),
                project: job.spec.project.clone(),
                submitter: job.submitter.clone(),
                node: state.nodes.get(&node).map(|node| node.name.clone()).unwrap_or_default(),
                started_ms: moment_ms(attempt.started),
                memory_bytes: known.map(|known| known.sample.memory_bytes),
                cpu_us: known.map(|known| known.sample.cpu_us),
                cpu_milli: known.and_then(|known| known.cpu_milli),
                processes: known.map_or(0, |known| known.sample.processes),
                progress: progress.map(|progress| claims::told(rank, &progress, true)),
            });
        }
    }
    tasks
}
