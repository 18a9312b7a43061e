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

impl Default for Backoff {
    fn default() -> Self {
        Self { bound: FIRST }
    }
}

impl Backoff {
    /// The largest bound for who loses nothing by waiting.
    pub(crate) const AT_REST: Duration = Duration::from_secs(10);

    /// The largest bound for who has tasks: they end with the lease, so a scheduler that is back must
    /// be found well within it.
    pub(crate) const AT_WORK: Duration = Duration::from_secs(1);

    /// How long to wait now, at most `most`.
    pub(crate) fn next_wait(&mut self, most: Duration) -> Duration {
        // Without random bytes all agents would come back at once, which is bad, but better than none.
        self.wait(most, getrandom::u32().unwrap_or(u32::MAX))
    }

    fn wait(&mut self, most: Duration, random: u32) -> Duration {
        let bound = self.bound.min(most);
        self.bound = (bound * 2).min(most);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_from_50_ms_to_10_s() {
        let mut backoff = Backoff::default();

        let waits = (0..10).map(|_| backoff.wait(Backoff::AT_REST, u32::MAX).as_millis());

        let expected = [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000];
        assert_eq!(waits.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn who_has_tasks_never_waits_longer_than_a_second() {
        let mut backoff = Backoff::default();
        while backoff.wait(Backoff::AT_REST, u32::MAX) < Backoff::AT_REST {}

        let waits = (0..3).map(|_| backoff.wait(Backoff::AT_WORK, u32::MAX).as_millis());

        assert_eq!(waits.collect::<Vec<_>>(), [1000, 1000, 1000]);
    }

    #[test]
    fn the_wait_is_anywhere_below_the_bound() {
        let wait = |random| Backoff::default().wait(Backoff::AT_REST, random);

        assert_eq!(wait(0), Duration::ZERO);
        assert!(wait(u32::MAX / 2) < Duration::from_millis(26));
    }
}
