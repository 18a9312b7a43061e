//! The wall clock, and the time that the engine makes of it: one that never goes back and never
//! stands still.
//!
//! After the wall clock was stepped back, by hours perhaps, the engine is ahead of it. It goes on
//! at half the pace of the wall until that has caught up, so that what should take a second takes
//! two, and not the hours until then.

use repower_model::{Span, Timestamp};

/// What the wall clock said last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wall {
    seen: Option<Timestamp>,
}

impl Wall {
    /// The engine's time when the wall clock says `wall`, and it was `before` until now.
    pub(crate) fn time(&mut self, wall: Timestamp, before: Timestamp) -> Timestamp {
        let seen = self.seen.replace(wall).filter(|seen| *seen <= wall).unwrap_or(wall);
        if wall >= before {
            return wall;
        }
        let half = Span::from_millis(wall.since(seen).as_millis() / 2);
        // What is left of an odd millisecond counts the next time.
        self.seen = Some(seen + half + half);
        before + half
    }

    /// What the wall clock will say when the engine's time is `at`; it is `time` now.
    pub(crate) fn when(at: Timestamp, time: Timestamp, wall: Timestamp) -> Timestamp {
        let wait = at.since(time.max(wall)).as_millis();
        let pace = if time > wall { 2 } else { 1 };
        wall + Span::from_millis(wait.saturating_mul(pace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn time_goes_on_at_half_the_pace_while_the_wall_is_behind() {
        let at = Timestamp::from_millis;
        let mut wall = Wall::default();

        let mut time = wall.time(at(HOUR), at(0));
        let mut times = vec![time];
        for says in [0, 1, 2, 3, 4, 1_004] {
            time = wall.time(at(says), time);
            times.push(time);
        }

        let expected = [0, 0, 0, 1, 1, 2, 502].map(|ms| at(HOUR + ms));
        assert_eq!(times, expected);
        assert_eq!(wall.time(at(2 * HOUR), time), at(2 * HOUR), "the wall has caught up");
    }

    #[test]
    fn a_wake_is_told_in_the_time_of_the_wall() {
        let at = Timestamp::from_millis;

        assert_eq!(Wall::when(at(150), at(100), at(100)), at(150));
        assert_eq!(Wall::when(at(HOUR + 50), at(HOUR), at(7)), at(107));
        assert_eq!(Wall::when(at(90), at(100), at(100)), at(100));
    }
}
