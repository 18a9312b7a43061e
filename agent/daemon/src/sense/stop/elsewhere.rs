//! Other processors: the sensor is not there, and says so.

use std::time::Duration;

use repower_agent_core::detect::Mode;

/// This build does not have the sensor.
pub(super) const IS_AVAILABLE: bool = false;

/// What the kernel would have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "the same words as where the sensor is")]
pub(in crate::sense) enum Traced {
    /// The rounding modes, and how long the thread stood still at most.
    Registers { sse: Mode, x87: Mode, cost: Duration },
    /// There is no such thread.
    Gone,
    /// Not allowed.
    Refused,
}

impl Traced {
    /// Whether the registers were read.
    pub(in crate::sense) fn is_read(self) -> bool {
        matches!(self, Self::Registers { .. })
    }
}

/// Reads nothing.
pub(super) fn read(_thread: u32) -> Traced {
    Traced::Gone
}

/// Whether a thread waits for a child that it has given its memory to: nobody asks.
pub(super) fn waits_for_child(_: u32) -> bool {
    false
}
