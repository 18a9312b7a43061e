//! Points in time and lengths of time. Whole milliseconds; nobody here can ask what time it is.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp {
    ms: i64,
}

impl Timestamp {
    /// A point `ms` milliseconds after 1970-01-01 00:00 UTC.
    pub const fn from_millis(ms: i64) -> Self {
        Self { ms }
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub const fn as_millis(self) -> i64 {
        self.ms
    }

    /// Time from `earlier` to this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Span {
        Span::from_millis(u64::try_from(self.ms.saturating_sub(earlier.ms)).unwrap_or(0))
    }

    /// The point `span` before this.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self { ms: self.ms.saturating_sub(i64::try_from(span.ms).unwrap_or(i64::MAX)) }
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        let ms = i64::try_from(span.ms).unwrap_or(i64::MAX);
        Self { ms: self.ms.saturating_add(ms) }
    }
}

/// A length of time, in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Span {
    ms: u64,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self { ms: 0 };

    /// `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self { ms }
    }

    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self { ms: secs.saturating_mul(1000) }
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.ms
    }
}

impl fmt::Display for Span {
    /// The two largest units that are not zero: `2h 5m`, `3.250s`, `40ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, ms) = (self.ms / 1000, self.ms % 1000);
        match secs {
            0 => write!(f, "{ms}ms"),
            1..60 if ms > 0 => write!(f, "{secs}.{ms:03}s"),
            1..60 => write!(f, "{secs}s"),
            60..3600 => write!(f, "{}m {}s", secs / 60, secs % 60),
            3600..86_400 => write!(f, "{}h {}m", secs / 3600, secs % 3600 / 60),
            _ => write!(f, "{}d {}h", secs / 86_400, secs % 86_400 / 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shows_its_two_largest_units() {
        let shown = |ms| Span::from_millis(ms).to_string();

        assert_eq!(shown(40), "40ms");
        assert_eq!(shown(3_250), "3.250s");
        assert_eq!(shown(7_500_000), "2h 5m");
        assert_eq!(shown(90_000_000), "1d 1h");
    }

    #[test]
    fn time_since_something_later_is_zero() {
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(9));

        assert_eq!(late.since(early), Span::from_millis(4));
        assert_eq!(early.since(late), Span::ZERO);
    }
}
