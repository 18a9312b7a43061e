//! Certificates: the cell's own authority, the server's certificate, and those of nodes.

mod authority;
mod server;
mod store;

pub(crate) use authority::{Authority, fingerprint};
pub(crate) use server::config;
pub(crate) use store::write_private;

use repower_model::Timestamp;
use time::OffsetDateTime;

/// The name in the server's certificate, whatever its address is.
pub(crate) const SERVER_NAME: &str = "repower-scheduler";

const DAY_MS: i64 = 86_400_000;

/// Begin and end of a certificate that is made now; it is good a day before, for clocks that are late.
fn validity(now: Timestamp, days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let at = |ms: i64| {
        OffsetDateTime::from_unix_timestamp(ms / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (at(now.as_millis() - DAY_MS), at(now.as_millis() + days * DAY_MS))
}
