//! What keeps work from going on though nothing is wrong with it: a disk that is full, a node that is silent.

use std::collections::BTreeSet;

use repower_core::state::State;
use repower_model::{JobId, NodeId, TaskId};
use repower_proto::v1;

use crate::room::Disk;
use crate::shared::Shared;

/// How many attempts of a job are looked at.
const ATTEMPTS: usize = 10_000;
/// Of how many nodes something is said.
const NODES: usize = 3;

/// About the scheduler itself.
pub(super) fn of_scheduler(shared: &Shared) -> Vec<v1::Remark> {
    shared.room.shortage().map(low_disk).into_iter().collect()
}

/// About a job that has tasks on nodes, or one of its tasks.
pub(super) fn of_job(
    shared: &Shared,
    state: &State,
    job: JobId,
    index: Option<u32>,
) -> Vec<v1::Remark> {
    let first = TaskId { job, index: index.unwrap_or(0) };
    let last = TaskId { job, index: index.unwrap_or(u32::MAX) };
    let live = state.attempts.range(first..=last).take(ATTEMPTS);
    let nodes: BTreeSet<NodeId> =
        live.flat_map(|(_, one)| one.left()).map(|(_, node)| node).collect();
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut remarks = of_scheduler(shared);
    let has_outputs = state.job(job).is_some_and(|job| !job.spec.outputs.is_empty());
    let silent = nodes.iter().filter_map(|node| silent(shared, state, *node));
    remarks.extend(silent.take(NODES));
    if has_outputs {
        let without = nodes.iter().filter_map(|node| no_room(shared, state, *node));
        remarks.extend(without.take(NODES));
    }
    remarks
}

fn low_disk((Disk { free, reserve, .. }, refuses): (Disk, bool)) -> v1::Remark {
    let has = if refuses {
        format!("the scheduler's disk refuses to be written, although it says that {free} are free")
    } else {
        format!("the scheduler's disk has {free} free, and keeps {reserve} for its ledger")
    };
    v1::Remark {
        code: "scheduler.low-disk".to_owned(),
        text: format!("{has}: what tasks print waits on their nodes"),
        hint: "free space on the scheduler's disk; what waits then comes by itself".to_owned(),
    }
}

fn silent(shared: &Shared, state: &State, node: NodeId) -> Option<v1::Remark> {
    let known = state.nodes.get(&node)?;
    let silence = shared.silence(node)?;
    let lease = shared.options.lease();
    Some(v1::Remark {
        code: "node.silent".to_owned(),
        text: format!(
            "nothing has been heard of its node {} for {silence}: nobody knows whether it still runs, and after {lease} it is given up",
            known.name
        ),
        hint: "check the machine, its network and its agent".to_owned(),
    })
}

fn no_room(shared: &Shared, state: &State, node: NodeId) -> Option<v1::Remark> {
    let (known, why) = (state.nodes.get(&node)?, shared.artefacts.no_room_for(node)?);
    Some(v1::Remark {
        code: "outputs.no-room".to_owned(),
        text: format!("outputs wait on {} for room in the store of artefacts: {why}", known.name),
        hint: "free space there; the node tries again by itself".to_owned(),
    })
}
