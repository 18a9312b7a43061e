//! Jobs in order, counted so that it is cheap to say how many go before one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Turn;

/// How many jobs a bucket has at most.
const BUCKET: u64 = 64;

/// Jobs in order, each with how many of its tasks wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    jobs: BTreeMap<Turn, u64>,
    /// Runs of neighbours, by the turn from which each goes.
    buckets: BTreeMap<Turn, Sum>,
    all: Sum,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    jobs: u64,
    tasks: u64,
}

impl Counted {
    pub(super) fn first(&self) -> Option<Turn> {
        self.jobs.first_key_value().map(|(turn, _)| *turn)
    }

    pub(super) fn get(&self, turn: Turn) -> Option<u64> {
        self.jobs.get(&turn).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Turn, u64)> + Clone {
        self.jobs.iter().map(|(turn, tasks)| (*turn, *tasks))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How many jobs and tasks go before `turn`. Cost: the buckets, and one of them whole.
    pub(super) fn before(&self, turn: Turn) -> (u64, u64) {
        let Some((last, _)) = self.jobs.last_key_value().filter(|(last, _)| **last >= turn) else {
            return (self.all.jobs, self.all.tasks);
        };
        debug_assert!(*last >= turn);
        let mut sum = Sum::default();
        let mut from = None;
        for (start, bucket) in self.buckets.range(..turn) {
            if let Some((_, before)) = from.replace((*start, *bucket)) {
                sum.add(before);
            }
        }
        if let Some((start, _)) = from {
            for (_, tasks) in self.jobs.range(start..turn) {
                sum.add(Sum { jobs: 1, tasks: *tasks });
            }
        }
        (sum.jobs, sum.tasks)
    }

    /// Puts a job in, or changes its tasks. Returns how many it had.
    pub(super) fn insert(&mut self, turn: Turn, tasks: u64) -> Option<u64> {
        let before = self.jobs.insert(turn, tasks);
        self.all.change(before, Some(tasks));
        if let Some((_, bucket)) = self.buckets.range_mut(..=turn).next_back() {
            bucket.change(before, Some(tasks));
        } else if let Some((start, mut bucket)) = self.buckets.pop_first() {
            debug_assert!(turn < start);
            bucket.change(before, Some(tasks));
            self.buckets.insert(turn, bucket);
        } else {
            self.buckets.insert(turn, Sum { jobs: 1, tasks });
        }
        self.split(turn);
        before
    }

    /// Takes a job out. Returns how many tasks it had.
    pub(super) fn remove(&mut self, turn: Turn) -> Option<u64> {
        let before = self.jobs.remove(&turn)?;
        self.all.change(Some(before), None);
        if let Some((start, bucket)) = self.buckets.range_mut(..=turn).next_back() {
            bucket.change(Some(before), None);
            let (start, empty) = (*start, bucket.jobs == 0);
            if empty {
                self.buckets.remove(&start);
            }
        }
        Some(before)
    }

    /// Cuts the bucket of a job in two if it has become too large.
    fn split(&mut self, turn: Turn) {
        let Some((start, bucket)) = self.buckets.range_mut(..=turn).next_back() else {
            return;
        };
        if bucket.jobs <= BUCKET {
            return;
        }
        let mut first = Sum::default();
        let half = bucket.jobs / 2;
        let mut jobs = self.jobs.range(*start..);
        while first.jobs < half
            && let Some((_, tasks)) = jobs.next()
        {
            first.add(Sum { jobs: 1, tasks: *tasks });
        }
        let Some((middle, _)) = jobs.next() else {
            return;
        };
        let rest = Sum { jobs: bucket.jobs - first.jobs, tasks: bucket.tasks - first.tasks };
        *bucket = first;
        self.buckets.insert(*middle, rest);
    }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.tasks += other.tasks;
    }

    fn change(&mut self, before: Option<u64>, after: Option<u64>) {
        self.jobs = self.jobs + u64::from(after.is_some()) - u64::from(before.is_some());
        self.tasks = self.tasks + after.unwrap_or(0) - before.unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use repower_model::JobId;

    use super::*;

    fn turn(key: u64) -> Turn {
        Turn { guard: Reverse(false), priority: Reverse(0), key, job: JobId(key) }
    }

    #[test]
    fn what_goes_before_is_what_counting_one_by_one_finds() {
        let mut dice = 11_u64;
        let mut throw = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) % sides
        };
        let (mut counted, mut plain) = (Counted::default(), BTreeMap::new());
        for step in 0..20_000 {
            let (key, tasks) = (throw(1500), 1 + throw(9));
            if throw(3) == 0 {
                assert_eq!(counted.remove(turn(key)), plain.remove(&key));
            } else {
                assert_eq!(counted.insert(turn(key), tasks), plain.insert(key, tasks));
            }
            if step % 50 == 0 {
                let at = throw(1600);
                let before = plain.range(..at);
                let sum = before.fold((0, 0), |(jobs, sum), (_, tasks)| (jobs + 1, sum + tasks));
                assert_eq!(counted.before(turn(at)), sum, "before {at}");
            }
        }
        assert!(counted.buckets.values().all(|bucket| (1..=BUCKET).contains(&bucket.jobs)));
    }
}
