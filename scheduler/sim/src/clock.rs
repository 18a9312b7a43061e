//! Clocks that only the heap moves.
//!
//! *True* time is what the heap counts, in milliseconds from the start of the world. Nobody in the
//! world can read it: each machine has a steady clock, which may run a little fast or slow, and a
//! wall clock, which may be stepped.

use repower_agent_core::{Moment, Now};
use repower_model::Timestamp;

/// What wall clocks say at the start of the world, until they are stepped: 2025-01-01 00:00 UTC.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_735_689_600_000);

/// The clocks of one machine.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What the steady clock said at the start.
    offset_ms: u64,
    /// How much faster than true time both clocks run, in parts per million.
    drift_ppm: i64,
    /// By how much the wall clock has been stepped since.
    stepped_ms: i64,
}

impl Clock {
    /// A clock that said `offset_ms` at the start and runs `drift_ppm` fast.
    pub fn new(offset_ms: u64, drift_ppm: i64) -> Self {
        Self { offset_ms, drift_ppm, stepped_ms: 0 }
    }

    /// What both clocks say at a true moment.
    pub fn at(&self, moment: Moment) -> Now {
        let run = self.run_ms(moment);
        let wall = EPOCH.as_millis() + i64::try_from(run).unwrap_or(i64::MAX) + self.stepped_ms;
        Now {
            wall: Timestamp::from_millis(wall),
            steady: Moment::from_millis(self.offset_ms + run),
        }
    }

    /// The first true moment, not before `now`, at which the steady clock says `steady`.
    pub fn when(&self, steady: Moment, now: Moment) -> Moment {
        let run = steady.as_millis().saturating_sub(self.offset_ms);
        let rate = u128::try_from(1_000_000 + self.drift_ppm).unwrap_or(1_000_000);
        let guess = u128::from(run) * 1_000_000 / rate;
        let mut at = Moment::from_millis(u64::try_from(guess).unwrap_or(u64::MAX)).max(now);
        while self.run_ms(at) < run {
            at = Moment::from_millis(at.as_millis() + 1);
        }
        at
    }

    /// Steps the wall clock.
    pub fn step(&mut self, ms: i64) {
        self.stepped_ms += ms;
    }

    /// Sets the wall clock right.
    pub fn set_right(&mut self) {
        self.stepped_ms = 0;
    }

    fn run_ms(&self, moment: Moment) -> u64 {
        let ms = i128::from(moment.as_millis());
        let run = ms + ms * i128::from(self.drift_ppm) / 1_000_000;
        u64::try_from(run).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_reaches_a_moment_early_and_never_says_less() {
        let clock = Clock::new(5_000, 10_000);
        let (start, steady) = (Moment::default(), Moment::from_millis(106_000));

        let at = clock.when(steady, start);

        assert_eq!(at, Moment::from_millis(100_000));
        assert_eq!(clock.at(at).steady, steady);
    }

    #[test]
    fn a_step_moves_the_wall_and_not_the_steady_clock() {
        let mut clock = Clock::new(0, 0);
        let moment = Moment::from_millis(1_000);

        clock.step(-3_600_000);

        assert_eq!(clock.at(moment).steady, moment);
        assert_eq!(clock.at(moment).wall.as_millis(), EPOCH.as_millis() + 1_000 - 3_600_000);
    }
}
