//! What people do in a world, and what the tasks of their jobs do on a node.
//!
//! A world is given a [`Plan`]: requests with their times. [`random`] makes one from a seed; a
//! trace would be read into the same form.

pub(crate) mod random;
mod work;

use repower_agent_core::Moment;
use repower_model::{DependencyKind, IndexRange, JobSpec, Span};

pub(crate) use work::{Fate, Ill, Work};

/// What people will do, each at its time.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
}

/// One thing that somebody does.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) at: Moment,
    pub(crate) wish: Wish,
}

/// A submission that another comes after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After {
    /// Its place among the submissions.
    pub(crate) slot: usize,
    pub(crate) kind: DependencyKind,
    /// Whether each task waits only for that of its index.
    pub(crate) per_task: bool,
}

/// What somebody wants. Jobs that have no id yet are named by their place among the submissions.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To run a job, after others.
    Submit {
        spec: Box<JobSpec>,
        after: Vec<After>,
        /// From the moment at which it is submitted.
        start_in: Option<Span>,
        /// Sent once more, so much later.
        again_in: Option<Span>,
    },
    /// To cancel a job, or some of its tasks.
    Cancel { job: usize, tasks: Option<Vec<IndexRange>> },
}
