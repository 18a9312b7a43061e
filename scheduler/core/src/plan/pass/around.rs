//! Backfill: what goes around the places that are kept for others, by project.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, Stage, in_order};
use crate::fact::Fact;
use crate::plan::Discipline;
use crate::plan::order::estimate;
use crate::plan::start::Verdict;
use crate::state::{Line, ShapeId, State, Turn};

/// A shape that may go around what is reserved; less goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Follower {
    guard: Reverse<bool>,
    priority: Reverse<i32>,
    key: u64,
    turn: Turn,
    shape: ShapeId,
}

impl Pass<'_> {
    /// What may go around the reservations: what is small enough for what is free, and tasks so
    /// short that they may wait on a busy node.
    pub(super) fn lanes(&self, state: &State) -> BTreeMap<String, BTreeSet<Follower>> {
        let mut lanes: BTreeMap<String, BTreeSet<Follower>> = BTreeMap::new();
        let most = state.offers.most_free();
        let small = most.into_iter().flat_map(|most| state.queue.within(most));
        for (id, line) in small.chain(state.queue.brisk()) {
            let Some(follower) = self.follower(id, line) else { continue };
            let project = if self.shares() { line.shape.project.as_str() } else { "" };
            if let Some(lane) = lanes.get_mut(project) {
                lane.insert(follower);
            } else {
                lanes.insert(project.to_owned(), BTreeSet::from([follower]));
            }
        }
        lanes
    }

    fn follower(&self, shape: ShapeId, line: &Line) -> Option<Follower> {
        let turn = line.head()?;
        let shortest_first = self.scheduling.discipline == Discipline::EasySjf;
        let key = if shortest_first { estimate(&line.shape).as_millis() } else { turn.key };
        Some(Follower { guard: turn.guard, priority: turn.priority, key, turn, shape })
    }

    /// Starts what fits around the reservations.
    pub(super) fn around(
        &mut self,
        state: &State,
        mut lanes: BTreeMap<String, BTreeSet<Follower>>,
    ) -> (Option<Fact>, Stage) {
        loop {
            let heads = lanes.iter().filter_map(|(project, lane)| {
                let share = if self.shares() { self.share(state, project) } else { 0.0 };
                Some((*lane.first()?, share, project))
            });
            let first = heads.min_by(|(one, of_one, _), (other, of_other, _)| {
                in_order(
                    (one.guard, one.priority),
                    *of_one,
                    (other.guard, other.priority),
                    *of_other,
                )
                .then(one.cmp(other))
            });
            let Some((follower, _, project)) = first else {
                return (None, Stage::Recall);
            };
            let project = project.clone();
            if let Some(stage) = self.stops(state, Some((follower.guard, follower.priority))) {
                return (None, stage);
            }
            let lane = lanes.get_mut(&project).expect("it has just been found");
            lane.remove(&follower);
            let line = state.queue.line(follower.shape);
            let Some(now) = line.and_then(|line| self.follower(follower.shape, line)) else {
                continue;
            };
            if now != follower {
                // Its first job has run out of tasks.
                lane.insert(now);
                continue;
            }
            if let Verdict::Starts(fact) = self.starter.shape(state, follower.shape) {
                lane.insert(follower);
                return (Some(fact), Stage::Around(lanes));
            }
        }
    }
}
