//! One rule's verdict about one task.

use repower_model::Timestamp;

use super::Rule;

/// What one rule has noticed about a task, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The rule.
    pub rule: Rule,
    /// Its version.
    pub version: u32,
    /// The wall time of the first sample that is part of it.
    pub first_seen: Timestamp,
    /// The wall time of the latest.
    pub last_seen: Timestamp,
    /// How many windows or looks agree.
    pub times: u64,
    /// The process in which it was seen last, as the host counts; zero if not of one process.
    pub process: u32,
}

impl Verdict {
    /// The same verdict, seen again.
    #[must_use]
    pub(super) fn again(mut self, process: u32, from: Timestamp, at: Timestamp) -> Self {
        // The wall clock may jump back: the span only ever grows.
        self.first_seen = self.first_seen.min(from);
        self.last_seen = self.last_seen.max(at);
        self.times = self.times.saturating_add(1);
        self.process = process;
        self
    }
}
