//! What tasks say of their progress, as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::text;
use crate::render::{claims, time};

/// What a process says of its progress. A claim: nobody has checked it.
#[derive(Debug, Serialize)]
pub(super) struct Claimed {
    /// Null: it does not say.
    done_ppm: Option<u32>,
    unit: Option<String>,
    value: Option<u64>,
    total: Option<u64>,
    said_at: Option<String>,
    changed_at: Option<String>,
    expected_end: Option<String>,
    rank: u32,
    lines: u64,
    bad_lines: u64,
    mistake: Option<String>,
}

impl From<&v1::ClaimedProgress> for Claimed {
    fn from(claimed: &v1::ClaimedProgress) -> Self {
        let progress = claimed.progress.clone().unwrap_or_default();
        let claim = progress.claim.unwrap_or_default();
        let count = claim.count.as_ref();
        Self {
            done_ppm: claims::done_ppm(&claim),
            unit: count.map(|count| count.unit.clone()),
            value: count.map(|count| count.value),
            total: count.map(|count| count.total).filter(|total| *total > 0),
            said_at: time::rfc3339(progress.said_ms),
            changed_at: time::rfc3339(progress.changed_ms),
            expected_end: claims::expected_end_ms(claimed).and_then(time::rfc3339),
            rank: claimed.rank,
            lines: progress.lines,
            bad_lines: progress.bad_lines,
            mistake: text(&progress.mistake),
        }
    }
}
