//! In which order a pass goes through what is ready, where the queue is not in that order already.

use std::cmp::{Ordering, Reverse};

use crate::plan::Discipline;
use crate::plan::order::score;
use crate::state::{ShapeId, State, Turn};

/// A ready job, its shape, and how many of its tasks wait.
pub(in crate::plan) type Ready = (Turn, ShapeId, u64);

/// Guarded jobs first, then by priority, then who has less.
pub(super) fn in_order(
    one: (Reverse<bool>, Reverse<i32>),
    of_one: f64,
    other: (Reverse<bool>, Reverse<i32>),
    of_other: f64,
) -> Ordering {
    one.cmp(&other).then(of_one.total_cmp(&of_other))
}

/// All ready jobs, in order.
pub(super) fn by_turn(state: &State) -> Vec<Ready> {
    let lines = state.queue.lines();
    let jobs = lines.flat_map(|(id, line)| line.jobs().map(move |(turn, tasks)| (turn, id, tasks)));
    let mut all: Vec<Ready> = jobs.collect();
    all.sort_unstable();
    all
}

/// All ready jobs in order, where a discipline makes a new one for each pass.
pub(in crate::plan) fn scored(state: &State) -> Option<Vec<Ready>> {
    let discipline = state.scheduling().discipline;
    matches!(discipline, Discipline::Wfp3 | Discipline::Unicef).then(|| by_score(state, discipline))
}

/// All ready jobs, by priority and then by what the discipline says of them now.
pub(super) fn by_score(state: &State, discipline: Discipline) -> Vec<Ready> {
    let scored = by_turn(state).into_iter().map(|ready| {
        let shape = state.queue.line(ready.1).map(|line| &line.shape);
        let shape = shape.expect("the shape of a ready job is known");
        let job = &state.jobs[&ready.0.job];
        (score(discipline, job, shape, state.now).unwrap_or(0.0), ready)
    });
    let mut scored: Vec<_> = scored.collect();
    scored.sort_by(|(of_one, one), (of_other, other)| {
        in_order(
            (one.0.guard, one.0.priority),
            *of_one,
            (other.0.guard, other.0.priority),
            *of_other,
        )
        .then(one.cmp(other))
    });
    scored.into_iter().map(|(_, ready)| ready).collect()
}
