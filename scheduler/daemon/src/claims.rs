//! How far running processes say that they are. Live only: the ledger hears of the last word of each.
//!
//! Nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use repower_core::state::{Attempt, State};
use repower_model::{AttemptId, NodeId, Progress, RankId, TaskId, Timestamp};
use repower_proto::convert::moment_ms;
use repower_proto::v1;

/// The most processes of one node of which it is known.
pub(crate) const MOST: usize = 10_000;

/// How far running processes say that they are.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    nodes: Mutex<BTreeMap<NodeId, BTreeMap<RankId, Progress>>>,
}

impl Claims {
    /// Takes what processes of a node say. Of its others, those that `lives` no more are forgotten.
    pub(crate) fn take(
        &self,
        node: NodeId,
        told: Vec<(RankId, Progress)>,
        lives: impl Fn(RankId) -> bool,
    ) {
        let mut nodes = self.lock();
        let known = nodes.entry(node).or_default();
        known.retain(|rank, _| lives(*rank));
        for (rank, progress) in told {
            if known.len() < MOST || known.contains_key(&rank) {
                known.insert(rank, progress);
            }
        }
        if known.is_empty() {
            nodes.remove(&node);
        }
    }

    /// The link of a node has ended: the next one tells all again.
    pub(crate) fn forget(&self, node: NodeId) {
        self.lock().remove(&node);
    }

    /// What a process on a node says.
    pub(crate) fn of(&self, node: NodeId, rank: RankId) -> Option<Progress> {
        self.lock().get(&node)?.get(&rank).cloned()
    }

    /// What an attempt says that goes on: of a gang, what the first of its ranks says that says anything.
    pub(crate) fn of_attempt(&self, task: TaskId, live: &Attempt) -> Option<(u32, Progress)> {
        let id = AttemptId { task, number: live.number };
        let nodes = self.lock();
        live.left().into_iter().find_map(|(rank, node)| {
            let progress = nodes.get(&node)?.get(&id.rank(rank))?;
            Some((rank, progress.clone()))
        })
    }

    /// When running tasks would end at the pace that they claim, of those that claim one. Of a gang, when the first of
    /// its ranks that says anything would.
    pub(crate) fn ends(&self, state: &State) -> BTreeMap<TaskId, Timestamp> {
        let mut ranks: BTreeMap<RankId, Timestamp> = BTreeMap::new();
        for known in self.lock().values() {
            let ends = known.iter();
            ranks.extend(ends.filter_map(|(rank, one)| Some((*rank, one.expected_end()?))));
        }
        let mut ends = BTreeMap::new();
        for (RankId { attempt, .. }, at) in ranks {
            if state.attempts.get(&attempt.task).is_some_and(|live| live.number == attempt.number) {
                ends.entry(attempt.task).or_insert(at);
            }
        }
        ends
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, BTreeMap<RankId, Progress>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a process says, as people are told.
pub(crate) fn told(rank: u32, progress: &Progress, goes_on: bool) -> v1::ClaimedProgress {
    let end = progress.expected_end().filter(|_| goes_on);
    v1::ClaimedProgress { progress: Some(progress.into()), rank, expected_end_ms: moment_ms(end) }
}

#[cfg(test)]
mod tests {
    use repower_model::{Claim, JobId};

    use super::*;

    const NODE: NodeId = NodeId(1);

    fn rank(index: u32) -> RankId {
        AttemptId { task: TaskId { job: JobId(1), index }, number: 1 }.rank(0)
    }

    fn progress(line: &str) -> Progress {
        let at = Timestamp::from_millis(1);
        Progress {
            claim: Claim::read(line.as_bytes()).ok(),
            said: at,
            changed: at,
            first: None,
            lines: 1,
            bad_lines: 0,
            mistake: String::new(),
        }
    }

    #[test]
    fn the_latest_word_counts_and_what_has_ended_is_forgotten() {
        let claims = Claims::default();

        claims.take(NODE, vec![(rank(0), progress("0.1")), (rank(1), progress("0.2"))], |_| true);
        claims.take(NODE, vec![(rank(1), progress("0.3"))], |one| one != rank(0));

        assert_eq!(claims.of(NODE, rank(0)), None);
        assert_eq!(claims.of(NODE, rank(1)), Some(progress("0.3")));
        assert_eq!(claims.of(NodeId(2), rank(1)), None);
        claims.forget(NODE);
        assert_eq!(claims.of(NODE, rank(1)), None);
    }

    #[test]
    fn a_node_cannot_fill_the_memory() {
        let claims = Claims::default();
        let all = |line: &str| (0..20_000).map(|at| (rank(at), progress(line))).collect::<Vec<_>>();

        claims.take(NODE, all("0.1"), |_| true);
        claims.take(NODE, all("0.2"), |_| true);

        assert_eq!(claims.lock()[&NODE].len(), MOST);
        assert_eq!(claims.of(NODE, rank(7)), Some(progress("0.2")));
        claims.take(NODE, Vec::new(), |_| false);
        assert!(claims.lock().is_empty());
    }
}
