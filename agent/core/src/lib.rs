//! The pure core of the agent: what to start, what to stop, what to report, and when.
//!
//! [`Session`] is the only door: [`Input`]s go in with the time at which they happened, [`Action`]s
//! come out, and reports wait in order until they are fetched with [`Session::next_batch`] and
//! acknowledged. Nothing here reads a clock, touches a process or knows what a network is, so every
//! rule of the agent can be tested without one.
//!
//! An attempt, to this crate, is one process: each rank of a gang is one of its own, with its own place
//! in the queue, its own output and its own end. The scheduler makes a whole of them.
//!
//! Not here: how a process is started, how bytes travel, and how long a reconnect waits. That is
//! the business of `repower-agent`.

mod action;
mod attempt;
mod claims;
pub mod detect;
mod input;
mod limits;
mod now;
mod outbox;
mod phase;
mod printed;
mod report;
mod session;
mod slots;
mod timers;

pub use action::{Action, Definition, Signal};
pub use claims::Claims;
pub use input::{Exit, Input, Noticed, Status, Terms};
pub use limits::Limits;
pub use now::{Moment, Now};
pub use outbox::{Batch, BatchLimits};
pub use report::{Report, Stream};
pub use session::{Seen, Session};
