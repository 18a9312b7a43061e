//! Which task goes where, and why one waits.
//!
//! A pass goes through the shapes of what waits in the order of a [`Discipline`]. What can start is
//! placed where it fits tightest; what is first and cannot is reserved in the capacity [`Profile`],
//! and the rest goes around. docs/scheduling.md tells the rules to people.
//!
//! Not here: what the policy lets run at all (`policy`), and when windows of power open.

mod discipline;
pub mod filter;
pub mod gang;
pub(crate) mod order;
pub mod pace;
mod pass;
mod preempt;
mod profile;
mod promised;
mod quota;
mod recall;
mod respite;
mod room;
mod room_of_gang;
mod start;
mod why;

use repower_model::{NodeId, Span};

use crate::state::{Job, State};

pub use discipline::Discipline;
pub use pass::{Kept, earliest, keeps};
pub use profile::{Profile, Step};
pub use why::{Ahead, Basis, Explanation, Forecast, FunnelStep, Short, Sooner, by_claims, why};

pub(crate) use pass::Pass;
pub(crate) use respite::next_end as next_respite;
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
        let others = state.nodes.values().filter(|node| !avoid.contains(&node.id));
        gang::could_hold(others, &job.spec)
    };
    if !avoid.is_empty() && elsewhere() { avoid } else { &[] }
}
