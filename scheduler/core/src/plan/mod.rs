//! Which task goes where, and why one waits.
//!
//! The policy is *best fit by priority, then age*: tasks go by priority, then by the age of their
//! job; each goes to the node on which it fits tightest. One that does not fit is passed by those
//! behind it, until it has waited for [`PATIENCE`]: from then on the node that is nearest to
//! holding it takes nothing from behind it, so nothing is overtaken for ever.

mod discipline;
pub mod filter;
pub(crate) mod order;
pub mod pace;
mod pass;
mod profile;
mod recall;
mod room;
mod start;
mod why;

use repower_model::{NodeId, Span};

use crate::state::{Job, State};

pub use discipline::Discipline;
pub use profile::{Profile, Step};
pub use why::{Ahead, Basis, Explanation, Forecast, FunnelStep, Short, Sooner, why};

pub(crate) use pass::Pass;
pub(crate) use room::Room;
pub(crate) use start::Memory;

/// How long a task is taken to run of which nobody knows anything, where an order needs a figure.
pub const UNKNOWN: Span = Span::from_secs(3600);

/// How long a task that does not fit lets others overtake it, where nobody knows when it will fit.
pub const PATIENCE: Span = Span::from_secs(600);

/// How long a task may wait on a node for a slot before it is taken back for a free one.
pub const RECALL_AFTER: Span = Span::from_millis(100);

/// How long a node gets nothing new that has given a task back without being asked to: an agent
/// does so while it ends, as fast as it is given more.
pub const REST: Span = Span::from_secs(1);

/// The nodes that a task keeps away from because they could not start it: only as long as another
/// node could hold it, for otherwise it would wait for ever.
fn avoided<'a>(state: &State, job: &'a Job, place: u32) -> &'a [NodeId] {
    let tries = job.tries.get(&place);
    let avoid = tries.map_or(&[][..], |tries| tries.avoid.as_slice());
    let elsewhere = || {
        state.nodes.values().any(|node| filter::suits(node, &job.spec) && !avoid.contains(&node.id))
    };
    if !avoid.is_empty() && elsewhere() { avoid } else { &[] }
}
