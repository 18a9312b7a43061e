//! What would make a task start sooner: each change is tried against what is free now.

use std::fmt;

use repower_model::{JobId, Span};

use super::nodes::dimensions;
use crate::plan::{Room, avoided};
use crate::reason::{Reason, amount};
use crate::state::{Job, Shape, State};

/// One change with which a task would start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sooner {
    /// Ask for less of something.
    Less {
        /// Of what.
        dimension: String,
        /// At most this much.
        most: String,
    },
    /// Drop a rule about labels, or the least instruction set.
    Without {
        /// The option as it was given.
        option: String,
    },
    /// Share the node.
    Shared,
    /// Say that it takes no longer than this.
    Shorter {
        /// At most.
        most: Span,
        /// The job in whose way it would not be then.
        job: JobId,
    },
    /// Go before others.
    Higher {
        /// More than this priority.
        than: i32,
    },
}

impl Sooner {
    /// The stable code, documented in `docs/reasons.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Less { .. } => "sooner.less",
            Self::Without { .. } => "sooner.without",
            Self::Shared => "sooner.shared",
            Self::Shorter { .. } => "sooner.shorter",
            Self::Higher { .. } => "sooner.higher",
        }
    }
}

impl fmt::Display for Sooner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Less { dimension, most } => {
                write!(f, "ask for {} or less", amount(most, dimension))
            }
            Self::Without { option } => write!(f, "leave out {option}"),
            Self::Shared => f.write_str("leave out --exclusive"),
            Self::Shorter { most, job } => {
                let most = most.to_string().replace(' ', "");
                write!(f, "set --time-limit {most} or less: then it is not in the way of job {job}")
            }
            Self::Higher { than } => write!(f, "give it a priority above {than}"),
        }
    }
}

/// What would let a task start now. Each is tried alone.
pub(super) fn sooner(
    state: &State,
    job: &Job,
    shape: &Shape,
    place: u32,
    reason: &Reason,
    room: &Room,
) -> Vec<Sooner> {
    let avoid = avoided(state, job, place);
    let starts = |shape: &Shape| room.now(state, shape, avoid, None).is_some();
    match reason {
        Reason::Busy { .. } => less(state, shape, &starts),
        Reason::Occupied { .. } | Reason::Gang { .. } => without(shape, &starts),
        Reason::NoneMeets { .. } => without(shape, &starts),
        Reason::WouldDelay { job: other, at: Some(at), .. } => {
            let most = at.since(state.now);
            let shorter = Shape { bound: Some(most), ..shape.clone() };
            let fits = most > Span::ZERO && starts(&shorter);
            fits.then_some(Sooner::Shorter { most, job: *other }).into_iter().collect()
        }
        Reason::Behind { .. } => {
            let first = state.queue.lines().filter_map(|(_, line)| line.head()).min();
            let than = first.map(|turn| turn.priority.0);
            than.map(|than| Sooner::Higher { than }).into_iter().collect()
        }
        Reason::Review { .. }
        | Reason::Suspect { .. }
        | Reason::Barred { .. }
        | Reason::Dependency { .. }
        | Reason::TaskDependency { .. }
        | Reason::StartAfter { .. }
        | Reason::RetryAfter { .. }
        | Reason::ArrayLimit { .. }
        | Reason::Quota { .. }
        | Reason::Reserved { .. }
        | Reason::NoNodes
        | Reason::NothingFits { .. }
        | Reason::WouldDelay { at: None, .. }
        | Reason::Runway { .. }
        | Reason::Promised { .. }
        | Reason::MakingRoom { .. }
        | Reason::Next
        | Reason::OnNode { .. }
        | Reason::Stopping { .. }
        | Reason::OutOfTouch { .. }
        | Reason::FindingHeld { .. }
        | Reason::FindingNoticed { .. }
        | Reason::Ended { .. } => Vec::new(),
    }
}

fn less(state: &State, shape: &Shape, starts: &dyn Fn(&Shape) -> bool) -> Vec<Sooner> {
    let mut found = Vec::new();
    for dimension in dimensions(&shape.resources) {
        let asked = shape.resources.amount(&dimension);
        let able = Room::able(state, shape);
        let amounts = able.map(|node| node.free().amount(&dimension));
        let mut amounts: Vec<u64> = amounts.filter(|free| (1..asked).contains(free)).collect();
        amounts.sort_unstable();
        amounts.dedup();
        let with = |most: u64| Shape {
            resources: shape.resources.with(&dimension, most),
            alternatives: Vec::new(),
            ..shape.clone()
        };
        // Less of it fits wherever more does, so the largest that fits can be searched for.
        let fitting = amounts.partition_point(|most| starts(&with(*most)));
        if let Some(most) = fitting.checked_sub(1).map(|at| amounts[at]) {
            let (most, dimension) = (dimension.show(most), dimension.to_string());
            found.push(Sooner::Less { dimension, most });
        }
    }
    found.extend(without(shape, starts));
    found
}

fn without(shape: &Shape, starts: &dyn Fn(&Shape) -> bool) -> Vec<Sooner> {
    let wanted = &shape.constraints;
    let mut found = Vec::new();
    for (at, rule) in wanted.labels.iter().enumerate() {
        let mut other = shape.clone();
        other.constraints.labels.remove(at);
        if starts(&other) {
            found.push(Sooner::Without { option: format!("--label {rule}") });
        }
    }
    if let Some(level) = wanted.isa_level {
        let mut other = shape.clone();
        other.constraints.isa_level = None;
        if starts(&other) {
            found.push(Sooner::Without { option: format!("--isa {level}") });
        }
    }
    if wanted.exclusive {
        let mut other = shape.clone();
        other.constraints.exclusive = false;
        if starts(&other) {
            found.push(Sooner::Shared);
        }
    }
    found
}
