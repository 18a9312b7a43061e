//! What `-o json` prints: stable shapes, described in `docs/json.md`.
//!
//! Keys are `snake_case`, moments are RFC 3339 texts or null, amounts are whole numbers with the
//! unit in the key, hashes are hexadecimal. Keys may be added; none is removed or changes meaning.

mod approval;
mod claimed;
mod files;
mod finding;
mod job;
mod node;
mod remark;
mod reservation;
mod spec;
mod task;
#[cfg(test)]
mod tests;
mod token;
mod why;

pub use approval::{Approval, Approvals};
pub use files::{Fetched, FetchedFile, MissingOutput};
pub use finding::{Exposure, Finding, Findings, Quarantine};
pub use job::{Cancelled, Job, JobDetail, Jobs, Reason, Submitted, Tasks};
pub(crate) use job::{pending, reason};
pub use node::{Inventory, Node, NodeDetail, Nodes, Resources, Top};
pub use remark::{Decision, Remark};
pub use reservation::{Reservation, Reservations};
pub use spec::Spec;
pub use task::{Log, Outcome, Task, Tasks as TaskList, Usage};
pub use token::{Issued, Token, Tokens};
pub use why::{Plan, Why};

/// Returns a text, or nothing for an empty one.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Writes bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}
