//! When a job may start: `+2h`, `18:30`, `2026-05-01T18:30:00+08:00`.

use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::duration::{Duration, DurationError};

/// A moment as somebody wrote it; what it means depends on when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At this instant.
    At(Timestamp),
    /// At this date and time of the reader's own time zone.
    On(DateTime),
    /// When the clock next shows this, in the reader's own time zone.
    Next(Time),
    /// So long from now.
    In(Duration),
}

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// None of the forms.
    #[error("`{0}` is not a moment: write +2h, 18:30 or 2026-05-01T18:30:00+08:00")]
    Malformed(String),
    /// The part after the `+` is not a span of time.
    #[error(transparent)]
    Span(#[from] DurationError),
    /// Beyond what a calendar can say.
    #[error("`{0}` from now is beyond the calendar")]
    TooFar(String),
}

impl Moment {
    /// Returns the instant in milliseconds since 1970, read at `now`.
    ///
    /// # Errors
    ///
    /// [`MomentError::TooFar`].
    pub fn as_millis(self, now: &Zoned) -> Result<i64, MomentError> {
        let too_far = || MomentError::TooFar(format!("{self:?}"));
        let instant = match self {
            Self::At(instant) => instant,
            Self::On(date) => {
                date.to_zoned(now.time_zone().clone()).map_err(|_| too_far())?.timestamp()
            }
            Self::In(span) => {
                let span = SignedDuration::from_millis(
                    i64::try_from(span.as_millis()).map_err(|_| too_far())?,
                );
                now.timestamp().checked_add(span).map_err(|_| too_far())?
            }
            Self::Next(time) => {
                let today = now.datetime().date();
                let date = if time > now.time() {
                    today
                } else {
                    today.tomorrow().map_err(|_| too_far())?
                };
                let zone = now.time_zone().clone();
                date.to_datetime(time).to_zoned(zone).map_err(|_| too_far())?.timestamp()
            }
        };
        Ok(instant.as_millisecond())
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let text = text.trim();
        if let Some(span) = text.strip_prefix('+') {
            return Ok(Self::In(span.parse()?));
        }
        // A time alone has no `-`, and no `T`, which a date has.
        if !text.contains(['-', 'T', 't']) {
            return text
                .parse()
                .map(Self::Next)
                .map_err(|_| MomentError::Malformed(text.to_owned()));
        }
        if let Ok(instant) = text.parse() {
            return Ok(Self::At(instant));
        }
        text.parse().map(Self::On).map_err(|_| MomentError::Malformed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads at 18:00 in a zone eight hours ahead of UTC.
    fn read(text: &str) -> Result<String, String> {
        let now: Zoned = "2026-05-01T18:00:00+08:00[+08:00]".parse().expect("a good moment");
        let moment: Moment = text.parse().map_err(|error: MomentError| error.to_string())?;
        let millis = moment.as_millis(&now).map_err(|error| error.to_string())?;
        Ok(Timestamp::from_millisecond(millis).expect("in range").to_string())
    }

    #[test]
    fn an_instant_needs_no_zone_and_the_others_are_read_in_ours() {
        assert_eq!(read("2026-05-01T18:30:00Z"), Ok("2026-05-01T18:30:00Z".into()));
        assert_eq!(read("2026-05-01T18:30:00+08:00"), Ok("2026-05-01T10:30:00Z".into()));
        assert_eq!(read("2026-05-02T07:00"), Ok("2026-05-01T23:00:00Z".into()));
        assert_eq!(read("2026-05-02"), Ok("2026-05-01T16:00:00Z".into()));
        assert_eq!(read("+2h"), Ok("2026-05-01T12:00:00Z".into()));
    }

    #[test]
    fn a_time_alone_is_the_next_one() {
        assert_eq!(read("18:30"), Ok("2026-05-01T10:30:00Z".into()));
        assert_eq!(read("07:15"), Ok("2026-05-01T23:15:00Z".into()));
        assert_eq!(read("18:00"), Ok("2026-05-02T10:00:00Z".into()));
    }

    #[test]
    fn a_bad_moment_shows_the_good_forms() {
        let expected = "is not a moment: write +2h, 18:30 or 2026-05-01T18:30:00+08:00";
        for text in ["", "tomorrow", "25:00", "2026-13-01", "2h"] {
            assert_eq!(read(text), Err(format!("`{text}` {expected}")));
        }
        assert_eq!(
            read("+2"),
            Err("`2` has no unit: write 2s for seconds or 2m for minutes".into())
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9T:+Z. -]{0,40}|.*") {
            drop(read(&text));
        }
    }
}
