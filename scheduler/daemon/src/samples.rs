//! What running tasks use just now. Only the latest is known, and only while somebody watches.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use repower_model::{NodeId, RankId, Timestamp};

/// The most that is taken of one node.
pub(crate) const MOST: usize = 10_000;
/// How often agents are asked to look.
pub(crate) const EVERY_MS: u64 = 1000;
/// For how long they are asked to go on.
pub(crate) const FOR_MS: u64 = 10_000;
/// Nobody is asked again before this.
const AGAIN_MS: u64 = 3000;
/// What is older says nothing about now.
const STALE_MS: u64 = 15_000;

/// What running tasks use just now.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Option<Timestamp>,
    nodes: BTreeMap<NodeId, BTreeMap<RankId, Known>>,
}

/// What an agent says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) cpu_us: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u32,
}

/// What is known of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) sample: Sample,
    /// Thousandths of a processor, between the last two looks.
    pub(crate) cpu_milli: Option<u64>,
    /// On the steady clock.
    at: Timestamp,
}

impl Samples {
    /// Whether the agents are to be asked: somebody watches, and nobody has asked for a while.
    pub(crate) fn watched(&self, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let is_due = inner.asked.is_none_or(|asked| now.since(asked).as_millis() >= AGAIN_MS);
        if is_due {
            inner.asked = Some(now);
            inner.nodes.retain(|_, known| {
                known.retain(|_, known| now.since(known.at).as_millis() < STALE_MS);
                !known.is_empty()
            });
        }
        is_due
    }

    /// Takes what a node's agent says of all of its processes.
    pub(crate) fn take(&self, node: NodeId, samples: Vec<(RankId, Sample)>, now: Timestamp) {
        let mut inner = self.lock();
        let before = inner.nodes.remove(&node).unwrap_or_default();
        let known = samples.into_iter().take(MOST).map(|(rank, sample)| {
            let before = before.get(&rank).filter(|before| before.at < now);
            let cpu_milli = before.map(|before| {
                let used = sample.cpu_us.saturating_sub(before.sample.cpu_us);
                // Microseconds in a millisecond are thousandths of a processor.
                used / now.since(before.at).as_millis().max(1)
            });
            (rank, Known { sample, cpu_milli, at: now })
        });
        let known: BTreeMap<_, _> = known.collect();
        if !known.is_empty() {
            inner.nodes.insert(node, known);
        }
    }

    /// The link of a node has ended: nothing is known of its tasks.
    pub(crate) fn forget(&self, node: NodeId) {
        self.lock().nodes.remove(&node);
    }

    /// What is known of a process on a node.
    pub(crate) fn of(&self, node: NodeId, rank: RankId, now: Timestamp) -> Option<Known> {
        let known = self.lock().nodes.get(&node)?.get(&rank).copied()?;
        (now.since(known.at).as_millis() < STALE_MS).then_some(known)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use repower_model::{AttemptId, JobId, TaskId};

    use super::*;

    const NODE: NodeId = NodeId(1);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn rank(index: u32) -> RankId {
        AttemptId { task: TaskId { job: JobId(1), index }, number: 1 }.rank(0)
    }

    fn sample(cpu_us: u64) -> Sample {
        Sample { cpu_us, memory_bytes: 7, processes: 1 }
    }

    #[test]
    fn two_looks_say_how_many_processors_are_used() {
        let samples = Samples::default();

        samples.take(NODE, vec![(rank(0), sample(500))], at(1000));
        assert_eq!(samples.of(NODE, rank(0), at(1000)).unwrap().cpu_milli, None);
        samples.take(NODE, vec![(rank(0), sample(1_500_500))], at(2000));

        assert_eq!(samples.of(NODE, rank(0), at(2000)).unwrap().cpu_milli, Some(1500));
        assert_eq!(samples.of(NODE, rank(1), at(2000)), None);
        assert_eq!(samples.of(NodeId(2), rank(0), at(2000)), None);
    }

    #[test]
    fn what_is_old_or_of_a_lost_link_is_not_known_and_not_kept() {
        let samples = Samples::default();
        samples.take(NODE, vec![(rank(0), sample(1))], at(0));
        assert_eq!(samples.of(NODE, rank(0), at(15_000)), None);

        assert!(samples.watched(at(20_000)) && !samples.watched(at(22_999)));
        assert!(samples.lock().nodes.is_empty());
        samples.take(NODE, vec![(rank(0), sample(1))], at(23_000));
        samples.forget(NODE);
        assert_eq!(samples.of(NODE, rank(0), at(23_000)), None);
    }

    #[test]
    fn a_node_cannot_fill_the_memory() {
        let samples = Samples::default();

        samples.take(NODE, (0..20_000).map(|index| (rank(index), sample(1))).collect(), at(0));

        assert_eq!(samples.lock().nodes[&NODE].len(), MOST);
    }
}
