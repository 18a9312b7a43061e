//! The axis of time: its unit, and where its numbers are.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use repower_model::Span;

use super::style::float;

/// The unit of the axis of time for a span of so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    ms: f64,
    /// Steps of an axis that people would take, ascending.
    steps: &'static [f64],
}

/// Steps of seconds and of minutes.
const SIXTY: &[f64] = &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0];
const HOURS: &[f64] = &[1.0, 2.0, 3.0, 6.0, 12.0, 24.0];
/// Days, weeks, and then some that lead nowhere round but keep labels apart.
const DAYS: &[f64] = &[
    0.5,
    1.0,
    2.0,
    7.0,
    14.0,
    28.0,
    56.0,
    112.0,
    365.0,
    730.0,
    3650.0,
    36_500.0,
    365_000.0,
    3_650_000.0,
    36_500_000.0,
];
/// The most numbers along an axis of time.
const MOST_MARKS: f64 = 16.0;

impl Unit {
    pub(super) fn of(length: Span) -> Self {
        const HOUR: f64 = 3_600_000.0;
        match length.as_millis() / 1000 {
            0..600 => Self { name: "seconds", ms: 1000.0, steps: SIXTY },
            600..36_000 => Self { name: "minutes", ms: 60_000.0, steps: SIXTY },
            36_000..259_200 => Self { name: "hours", ms: HOUR, steps: HOURS },
            _ => Self { name: "days", ms: 24.0 * HOUR, steps: DAYS },
        }
    }

    pub(super) fn count(self, ms: u64) -> f64 {
        float(ms) / self.ms
    }

    /// Where the axis from `left` to `right` has its numbers, in this unit.
    pub(super) fn marks(self, left: f64, right: f64) -> Vec<f64> {
        let long = |step: &&f64| (right - left) / **step <= MOST_MARKS;
        let step = self.steps.iter().find(long).or(self.steps.last()).copied().unwrap_or(1.0);
        let mut mark = (left / step).ceil() * step;
        let mut marks = Vec::new();
        while mark <= right && float(marks.len() as u64) <= MOST_MARKS {
            marks.push(mark);
            mark += step;
        }
        marks
    }
}

/// An axis of time.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) marks: Vec<f64>,
}

impl Axis {
    pub(super) fn of(unit: Unit, left: f64, right: f64) -> Self {
        Self { left, right, marks: unit.marks(left, right) }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "it is the place of a dot")]
    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.left) / (self.right - self.left);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.left..self.right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_time_has_steps_that_people_take() {
        let marks = |length: u64, left, right| Unit::of(Span::from_secs(length)).marks(left, right);

        assert_eq!(
            marks(7 * 86_400, 0.0, 7.5),
            (0..=15).map(|half| f64::from(half) / 2.0).collect::<Vec<_>>()
        );
        assert_eq!(
            marks(30 * 86_400, 2.5, 33.0),
            [4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0, 32.0]
        );
        assert_eq!(
            marks(2 * 86_400, 0.0, 48.0),
            [
                0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0, 24.0, 27.0, 30.0, 33.0, 36.0, 39.0,
                42.0, 45.0, 48.0
            ]
        );
        assert_eq!(
            marks(3600, 0.0, 60.0),
            [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]
        );
        assert!(marks(86_400 * 365_000_000, 0.0, 3.65e8).len() <= 17);
    }
}
