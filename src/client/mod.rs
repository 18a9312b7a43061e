//! The way to the scheduler: whom to trust, what to show, and how to go on when the line breaks.

mod again;
mod connection;
pub mod profile;
mod refusal;
#[cfg(test)]
pub(crate) mod testing;

pub use again::{Patience, is_lost};
pub use connection::{Client, ReachError};
pub use profile::{Profile, ProfileError};
pub use refusal::Refused;

/// The name in the scheduler's certificate, whatever its address is.
pub const SCHEDULER_NAME: &str = "repower-scheduler";
