//! The one place that asks what time it is, and that waits for it.

use std::time::{Duration, Instant};

use repower_agent_core::{Moment, Now};
use repower_model::Timestamp;

/// A moment of the steady clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Both clocks; the steady one counts from `zero`.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now(zero: Instant) -> Now {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let wall = i64::try_from(ms(wall.unwrap_or_default())).unwrap_or(i64::MAX);
    Now { wall: Timestamp::from_millis(wall), steady: Moment::from_millis(ms(zero.elapsed())) }
}

/// Lets `time` pass: it is part of what a load does.
pub fn pass(time: Duration) {
    let end = instant() + time;
    loop {
        let left = end.saturating_duration_since(instant());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}
