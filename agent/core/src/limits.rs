//! The bounds of a session.

use repower_model::Span;

/// The bounds of a session. All are soft by what is already running when they are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Reports that wait for their acknowledgement; above it no task starts.
    pub reports: usize,
    /// Bytes of such reports; above it no task starts and no output is read. Of an attempt that has a quarter of
    /// them, no output is read either, so that others have room.
    pub bytes: usize,
    /// Longest time between SIGTERM and SIGKILL when the agent itself ends or has lost its lease.
    pub short_grace: Span,
    /// Bytes of the windows through which output goes that is past its beginning, all together; never less than
    /// 4 KiB each.
    pub windows: usize,
    /// How often such a window goes out. Until then only what fits into it is kept, so that a task that prints
    /// without end costs a bounded part of the link.
    pub pace: Span,
    /// How long output may stay open after the end of the process that the attempt was.
    pub drain: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reports: 100_000,
            bytes: 32 << 20,
            short_grace: Span::from_secs(5),
            windows: 16 << 20,
            pace: Span::from_millis(250),
            drain: Span::from_secs(1),
        }
    }
}
