//! Which task goes where, and why one waits.
//!
//! The policy is *best fit by priority, then age*: tasks go by priority, then by the age of their
//! job; each goes to the node on which it fits tightest. One that does not fit is passed by those
//! behind it, until it has waited for [`PATIENCE`]: from then on the node that is nearest to
//! holding it takes nothing from behind it, so nothing is overtaken for ever.

pub mod pace;
mod pass;
mod why;

use repower_model::Span;

pub use why::{Explanation, FunnelStep, Short, why};

pub(crate) use pass::Pass;

/// How long a task that does not fit lets others overtake it.
pub const PATIENCE: Span = Span::from_secs(600);

/// How long a task may wait on a node for a slot before it is taken back for a free one.
pub const RECALL_AFTER: Span = Span::from_millis(100);
