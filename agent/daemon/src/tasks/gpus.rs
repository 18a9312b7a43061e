//! Which GPUs of the node a task has: the lowest numbers that no other task has.
//!
//! Nodes name how many GPUs they have as the extra `gpu`, so the scheduler never places more tasks than there are numbers.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::JobSpec;

use super::boxes;

/// The extra that counts GPUs.
const EXTRA: &str = "gpu";

/// By which libraries for GPUs learn which they may use; empty: none.
pub(super) const VARIABLES: [&str; 3] =
    ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"];

/// The GPUs of tasks, by their serials.
#[derive(Debug, Default)]
pub(super) struct Gpus {
    taken: BTreeMap<u64, BTreeSet<u64>>,
}

impl Gpus {
    /// Gives a task its GPUs; their numbers, as libraries want them. `None`: it has none.
    pub(super) fn take(&mut self, serial: u64, spec: &JobSpec) -> Option<String> {
        let count = usize::try_from(count(spec)).ok().filter(|count| *count > 0)?;
        let taken: BTreeSet<u64> = self.taken.values().flatten().copied().collect();
        let free: BTreeSet<u64> = (0..).filter(|one| !taken.contains(one)).take(count).collect();
        let words: Vec<String> = free.iter().map(u64::to_string).collect();
        self.taken.insert(serial, free);
        Some(words.join(","))
    }

    /// The task is over.
    pub(super) fn free(&mut self, serial: u64) {
        self.taken.remove(&serial);
    }
}

/// How many GPUs a task is given. A box and a container have none of the node's devices; and an agent is not told which of
/// several requests its task was placed by.
fn count(spec: &JobSpec) -> u64 {
    let is_bare = spec.image.is_empty() && !boxes::is_boxed(spec);
    if is_bare && spec.alternatives.is_empty() { spec.resources.extra(EXTRA) } else { 0 }
}

#[cfg(test)]
mod tests {
    use repower_model::{Isolation, Resources};

    use super::*;

    fn asks(count: u64) -> JobSpec {
        let resources = Resources { extras: vec![("gpu".into(), count)], ..Resources::default() };
        JobSpec { resources, ..JobSpec::default() }
    }

    #[test]
    fn no_two_tasks_have_the_same_gpu_and_one_that_ends_gives_its_own_back() {
        let mut gpus = Gpus::default();

        assert_eq!(gpus.take(1, &asks(2)).as_deref(), Some("0,1"));
        assert_eq!(gpus.take(2, &asks(1)).as_deref(), Some("2"));
        gpus.free(1);
        assert_eq!(gpus.take(3, &asks(3)).as_deref(), Some("0,1,3"));
    }

    #[test]
    fn who_asks_for_none_or_cannot_reach_them_gets_none() {
        let mut gpus = Gpus::default();
        let boxed = JobSpec { isolation: Isolation::Boxed, ..asks(1) };
        let contained = JobSpec { image: "x".into(), ..asks(1) };
        let other = JobSpec { alternatives: vec![Resources::default()], ..asks(1) };

        for spec in [asks(0), boxed, contained, other] {
            assert_eq!(gpus.take(1, &spec), None);
        }
    }
}
