//! Ids of the room: its nodes and jobs are counted from 1, in the order of machine and workload.

use repower_model::{AttemptId, JobId, NodeId, Span, TaskId};

/// The place of a job in the workload: jobs are submitted in its order.
pub(super) fn index(job: JobId) -> usize {
    usize::try_from(job.0 - 1).expect("jobs of a workload are counted in memory")
}

pub(super) fn node_id(place: usize) -> NodeId {
    NodeId(u32::try_from(place + 1).expect("nodes are bounded"))
}

/// A moment so long after another.
pub(super) fn after(moment: Span, span: Span) -> Span {
    Span::from_millis(moment.as_millis().saturating_add(span.as_millis()))
}

pub(super) fn task(job: JobId) -> TaskId {
    TaskId { job, index: 0 }
}

pub(super) fn id(job: JobId, number: u32) -> AttemptId {
    AttemptId { task: task(job), number }
}
