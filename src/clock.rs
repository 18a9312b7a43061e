//! The one place of the command line that asks what time it is.

use std::time::Instant;

use jiff::{Timestamp, Zoned};

/// Returns milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns the time in the zone of whoever is at the terminal.
pub(crate) fn here() -> Zoned {
    Zoned::now()
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    since: Instant,
}

impl Stopwatch {
    /// Begins to measure.
    #[expect(clippy::disallowed_methods, reason = "this is the place that asks the clock")]
    pub(crate) fn start() -> Self {
        Self { since: Instant::now() }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }
}
