//! The one place that asks what time it is.

use std::time::Duration;

use repower_agent_core::{Moment, Now};
use repower_model::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// The wall clock and the steady clock.
pub(crate) fn now() -> Now {
    Now {
        wall: wall(),
        steady: Moment::from_millis(u64::try_from(uptime().as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Time since the machine was started, suspended time included.
pub(crate) fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How much of a processor the calling thread has used.
pub(crate) fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn wall() -> Timestamp {
    let time = clock_gettime(ClockId::Realtime);
    Timestamp::from_millis(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
}

/// The runtime's clock, for its timers.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
