//! How long to wait before the next try.

use std::time::Duration;

/// Exponential back-off with full jitter, as in "Exponential Backoff And Jitter" (Brooker, AWS 2015):
/// each wait is uniform between nothing and a bound that doubles.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    bound: Duration,
}

/// The first bound.
const FIRST: Duration = Duration::from_millis(50);

/// The bound never passes this.
const MOST: Duration = Duration::from_secs(10);

impl Default for Backoff {
    fn default() -> Self {
        Self { bound: FIRST }
    }
}

impl Backoff {
    /// How long to wait now.
    pub(crate) fn next_wait(&mut self) -> Duration {
        // Without random bytes all agents would come back at once, which is bad, but better than none.
        self.wait(getrandom::u32().unwrap_or(u32::MAX))
    }

    fn wait(&mut self, random: u32) -> Duration {
        let bound = self.bound;
        self.bound = (bound * 2).min(MOST);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_from_50_ms_to_10_s() {
        let mut backoff = Backoff::default();

        let waits: Vec<_> = (0..10).map(|_| backoff.wait(u32::MAX).as_millis()).collect();

        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn the_wait_is_anywhere_below_the_bound() {
        assert_eq!(Backoff::default().wait(0), Duration::ZERO);
        assert!(Backoff::default().wait(u32::MAX / 2) < Duration::from_millis(26));
    }
}
