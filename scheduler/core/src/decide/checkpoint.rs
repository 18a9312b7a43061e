//! What tasks save for their next attempts: where it is, and what of it is of no use any more.

use repower_model::{AttemptId, NodeId, Stored, TaskId};

use crate::draft::Draft;
use crate::effect::Effect;
use crate::fact::Fact;

/// The longest reason that is kept, in bytes.
const REASON: usize = 1000;

/// An attempt's checkpoint is in the store, or could not be brought there.
pub(super) fn settle(draft: &mut Draft<'_>, attempt: AttemptId, kept: &Result<Stored, String>) {
    let Some(job) = draft.state().job(attempt.task.job) else { return };
    let known = job.place(attempt.task).and_then(|place| job.checkpoints.get(&place));
    // It may come again, on another link.
    let is_new = known.is_some_and(|saved| saved.settled < attempt.number);
    if !job.spec.checkpoint || !is_new {
        return;
    }
    let kept = kept.clone().map_err(|mut reason| {
        reason.truncate(reason.floor_char_boundary(REASON));
        reason
    });
    draft.push(Fact::CheckpointSettled { attempt, kept });
}

/// A node says of which tasks it has saved work: what of that is of no use any more can go.
pub(crate) fn tidy(draft: &mut Draft<'_>, node: NodeId, saved: &[TaskId]) {
    for task in saved.iter().copied() {
        let job = draft.state().job(task.job);
        let saved = job.and_then(|job| job.checkpoints.get(&job.place(task)?));
        if saved.is_none_or(|saved| !saved.nodes.contains(&node)) {
            draft.owe(Effect::DropCheckpoint { node, task });
        }
    }
}
