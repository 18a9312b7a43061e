//! Reservations as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::text;
use crate::render::time;

/// Nodes that are kept for a time.
#[derive(Debug, Serialize)]
pub struct Reservation {
    id: u64,
    nodes: Vec<String>,
    from: Option<String>,
    until: Option<String>,
    project: Option<String>,
    by: String,
    reason: Option<String>,
}

/// All reservations.
#[derive(Debug, Serialize)]
pub struct Reservations {
    reservations: Vec<Reservation>,
}

impl From<&v1::Reservation> for Reservation {
    fn from(one: &v1::Reservation) -> Self {
        Self {
            id: one.id,
            nodes: one.nodes.clone(),
            from: time::rfc3339(one.from_ms),
            until: time::rfc3339(one.until_ms),
            project: text(&one.project),
            by: one.by.clone(),
            reason: text(&one.reason),
        }
    }
}

impl From<&v1::ListReservationsReply> for Reservations {
    fn from(reply: &v1::ListReservationsReply) -> Self {
        Self { reservations: reply.reservations.iter().map(Reservation::from).collect() }
    }
}
