//! The time, as it is handed in.

use std::ops::Add;

use repower_model::{Span, Timestamp};

/// A reading of a clock that only goes forward and counts suspended time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    ms: u64,
}

impl Moment {
    /// `ms` milliseconds after the clock's zero.
    pub const fn from_millis(ms: u64) -> Self {
        Self { ms }
    }

    /// Milliseconds after the clock's zero.
    pub const fn as_millis(self) -> u64 {
        self.ms
    }

    /// Time from `earlier` to this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Span {
        Span::from_millis(self.ms.saturating_sub(earlier.ms))
    }

    /// `span` before this; the clock's zero if that would be before it.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self { ms: self.ms.saturating_sub(span.as_millis()) }
    }
}

impl Add<Span> for Moment {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self { ms: self.ms.saturating_add(span.as_millis()) }
    }
}

/// When something happened: on the wall, for people, and on the steady clock, for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// What the wall clock says; may jump.
    pub wall: Timestamp,
    /// What the steady clock says.
    pub steady: Moment,
}
