//! The ready jobs of a shape, in order, so that it costs little to say how many are before one.

use serde::{Deserialize, Serialize};

use super::Turn;

/// How many jobs a block has at most; one that has more is cut in two.
const BLOCK: usize = 128;

/// Ready jobs in order, each with how many of its tasks wait: blocks of neighbours, each with their
/// sum. A change costs a search and a block, a count the blocks and one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Roll {
    /// None is empty.
    blocks: Vec<Block>,
    jobs: u64,
    tasks: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    jobs: Vec<(Turn, u64)>,
    tasks: u64,
}

impl Roll {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The first of all.
    pub(super) fn first(&self) -> Option<Turn> {
        self.blocks.first().map(|block| block.jobs[0].0)
    }

    /// How many tasks of one job wait.
    pub(super) fn get(&self, turn: Turn) -> Option<u64> {
        let block = self.blocks.get(self.block_of(turn))?;
        let at = block.jobs.binary_search_by_key(&turn, |(turn, _)| *turn).ok()?;
        Some(block.jobs[at].1)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Turn, u64)> + Clone {
        self.blocks.iter().flat_map(|block| block.jobs.iter().copied())
    }

    /// Those from one on, in order.
    pub(super) fn from(&self, from: Turn) -> impl Iterator<Item = (Turn, u64)> {
        let blocks = self.blocks[self.block_of(from)..].iter();
        blocks
            .flat_map(|block| block.jobs.iter().copied())
            .skip_while(move |(turn, _)| *turn < from)
    }

    /// Says how many tasks of a job wait. Returns how many did, if it was there.
    pub(super) fn insert(&mut self, turn: Turn, tasks: u64) -> Option<u64> {
        let at = self.block_of(turn);
        if self.blocks.is_empty() {
            self.blocks.push(Block { jobs: Vec::new(), tasks: 0 });
        }
        let block = &mut self.blocks[at];
        let before = match block.jobs.binary_search_by_key(&turn, |(turn, _)| *turn) {
            Ok(found) => Some(std::mem::replace(&mut block.jobs[found].1, tasks)),
            Err(place) => {
                block.jobs.insert(place, (turn, tasks));
                self.jobs += 1;
                None
            }
        };
        block.tasks = block.tasks + tasks - before.unwrap_or(0);
        self.tasks = self.tasks + tasks - before.unwrap_or(0);
        if block.jobs.len() > BLOCK {
            let jobs = block.jobs.split_off(BLOCK / 2);
            let moved = jobs.iter().map(|(_, tasks)| tasks).sum();
            block.tasks -= moved;
            self.blocks.insert(at + 1, Block { jobs, tasks: moved });
        }
        before
    }

    /// Takes a job out. Returns how many of its tasks waited, if it was there.
    pub(super) fn remove(&mut self, turn: Turn) -> Option<u64> {
        let at = self.block_of(turn);
        let block = self.blocks.get_mut(at)?;
        let found = block.jobs.binary_search_by_key(&turn, |(turn, _)| *turn).ok()?;
        let (_, tasks) = block.jobs.remove(found);
        block.tasks -= tasks;
        self.tasks -= tasks;
        self.jobs -= 1;
        if block.jobs.is_empty() {
            self.blocks.remove(at);
        }
        Some(tasks)
    }

    /// How many jobs are before one, and how many tasks of theirs wait.
    pub(super) fn before(&self, turn: Turn) -> (u64, u64) {
        let Some(block) = self.blocks.get(self.block_of(turn)) else {
            return (0, 0);
        };
        let whole = &self.blocks[..self.block_of(turn)];
        let whole = whole.iter().fold((0, 0), |(jobs, tasks), block| {
            (jobs + block.jobs.len() as u64, tasks + block.tasks)
        });
        let part = block.jobs.iter().take_while(|(other, _)| *other < turn);
        part.fold(whole, |(jobs, sum), (_, tasks)| (jobs + 1, sum + tasks))
    }

    /// The block in which a job is, if it is in any.
    fn block_of(&self, turn: Turn) -> usize {
        self.blocks.partition_point(|block| block.jobs[0].0 <= turn).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BTreeMap;

    use repower_model::JobId;

    use super::*;

    #[test]
    fn it_says_of_every_job_what_counting_one_by_one_says() {
        let mut dice = 7_u64;
        let mut throw = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let turn = |key| Turn { guard: Reverse(false), priority: Reverse(0), key, job: JobId(key) };
        let (mut roll, mut plain) = (Roll::default(), BTreeMap::new());
        for step in 0..20_000 {
            let (one, tasks) = (turn(throw(3_000)), 1 + throw(5));
            // It grows, and then it shrinks to nothing.
            if throw(20_000) > step {
                assert_eq!(roll.insert(one, tasks), plain.insert(one, tasks));
            } else {
                assert_eq!(roll.remove(one), plain.remove(&one));
            }
            let other = turn(throw(3_000));
            let before =
                plain.range(..other).fold((0, 0), |sum, (_, tasks)| (sum.0 + 1, sum.1 + tasks));
            assert_eq!(roll.before(other), before);
            assert_eq!(roll.get(other), plain.get(&other).copied());
            assert_eq!(roll.first(), plain.keys().next().copied());
            if step % 500 == 0 {
                let all: Vec<_> = plain.iter().map(|(turn, tasks)| (*turn, *tasks)).collect();
                assert!(roll.iter().eq(all.iter().copied()));
                assert!(roll.from(other).eq(all.into_iter().filter(|(turn, _)| *turn >= other)));
            }
        }
        for (turn, tasks) in plain {
            assert_eq!(roll.remove(turn), Some(tasks));
        }
        assert_eq!(roll, Roll::default(), "nothing is left of what was taken out");
    }
}
