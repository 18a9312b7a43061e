//! What a task has saved for its next attempt.

use std::collections::BTreeSet;

use repower_model::{AttemptId, Checkpoint, NodeId, RankId, Stored, TaskId};
use serde::{Deserialize, Serialize};

use super::{Job, State};
use crate::effect::Effect;

/// What a task has saved for its next attempt, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// What is in the store of artefacts.
    pub kept: Option<Checkpoint>,
    /// Number of the latest attempt of which it is known whether its checkpoint is in the store; 0: of none.
    pub settled: u32,
    /// Nodes that may have it in a folder.
    pub nodes: BTreeSet<NodeId>,
}

impl Saved {
    /// What follows from nobody needing it any more.
    pub(crate) fn gone(&self, task: TaskId) -> impl Iterator<Item = Effect> + '_ {
        let nodes = self.nodes.iter();
        let stored = self.kept.map(|kept| Effect::DropStored { digest: kept.stored.digest });
        nodes.map(move |node| Effect::DropCheckpoint { node: *node, task }).chain(stored)
    }

    /// What follows from another checkpoint taking its place, saved on a node.
    pub(crate) fn outdated(&self, by: &Stored, node: NodeId, task: TaskId) -> Vec<Effect> {
        let unless =
            [Effect::DropCheckpoint { node, task }, Effect::DropStored { digest: by.digest }];
        self.gone(task).filter(|effect| !unless.contains(effect)).collect()
    }
}

impl Job {
    /// What follows from the end of the tasks at some of its places: nobody needs what they have saved.
    pub(crate) fn needless(&self, ended: impl Fn(u32) -> bool) -> Vec<Effect> {
        let ended = self.checkpoints.iter().filter(|(place, _)| ended(**place));
        ended.flat_map(|(place, saved)| saved.gone(self.task(*place))).collect()
    }
}

impl State {
    /// What an earlier attempt of a task has saved, if it is in the store.
    pub fn checkpoint(&self, task: TaskId) -> Option<Checkpoint> {
        let job = self.job(task.job)?;
        job.checkpoints.get(&job.place(task)?)?.kept
    }

    /// A task was given to a node, on which it may save something.
    pub(in crate::state) fn may_save(&mut self, task: TaskId, node: NodeId) {
        let Some(job) = self.jobs.get_mut(&task.job).filter(|job| job.spec.checkpoint) else {
            return;
        };
        if let Some(place) = job.place(task) {
            job.checkpoints.entry(place).or_default().nodes.insert(node);
        }
    }

    /// Outputs of a process are in the store: the ledger and the projections have them.
    pub(in crate::state) fn outputs_kept(&mut self, id: RankId) {
        let live = self.attempts.get_mut(&id.attempt.task);
        if let Some(live) = live.filter(|live| live.number == id.attempt.number) {
            live.marks.get_or_insert_default().kept.insert(id.rank);
        }
    }

    /// What a process said last of its progress is known.
    pub(in crate::state) fn progress_claimed(&mut self, id: RankId) {
        let live = self.attempts.get_mut(&id.attempt.task);
        if let Some(live) = live.filter(|live| live.number == id.attempt.number) {
            live.marks.get_or_insert_default().claimed.insert(id.rank);
        }
    }

    /// It is known whether the checkpoint of an attempt is in the store.
    pub(in crate::state) fn saved(&mut self, id: AttemptId, kept: Option<&Stored>) {
        let node = self.attempts.get(&id.task).map(|live| live.node);
        let Some(job) = self.jobs.get_mut(&id.task.job) else { return };
        let Some(place) = job.place(id.task) else { return };
        let Some(saved) = job.checkpoints.get_mut(&place) else { return };
        saved.settled = id.number;
        if let Some(stored) = kept.copied() {
            saved.kept = Some(Checkpoint { number: id.number, stored });
            saved.nodes.clear();
            saved.nodes.extend(node);
        }
    }
}
