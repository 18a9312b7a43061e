//! How long nothing is looked at after a look, so that looking costs next to nothing.

use std::time::Duration;

use repower_model::Span;

use crate::clock;

/// Looks may take one part in this many of the time of one processor.
const SHARE: u64 = 200;

/// The longest rest.
const LONGEST: Duration = Duration::from_secs(5);

/// A look that has begun, on this thread.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    used: Duration,
}

impl Look {
    /// Begins.
    pub fn begin() -> Self {
        Self { used: clock::used() }
    }

    /// Ends it: for how long nothing is looked at now, if looks cost `pace` times as much as in production.
    pub fn rest(self, pace: u64) -> Span {
        rest(clock::used().saturating_sub(self.used), pace)
    }
}

/// The rest after a look that has used so much of a processor.
fn rest(cost: Duration, pace: u64) -> Span {
    let share = u32::try_from((SHARE / pace.max(1)).max(1)).unwrap_or(u32::MAX);
    let rest = cost.saturating_mul(share.saturating_sub(1)).min(LONGEST);
    Span::from_millis(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_takes_half_a_hundredth_of_a_processor_and_a_long_look_delays_the_next_by_seconds() {
        assert_eq!(rest(Duration::from_millis(1), 1), Span::from_millis(199));
        assert_eq!(rest(Duration::from_millis(1), 20), Span::from_millis(9));
        assert_eq!(rest(Duration::from_secs(1), 1), Span::from_secs(5));
    }
}
