//! Spans of time: `2h`, `1h30m`, `1:30:00`, `90s`.

use std::str::FromStr;

use super::number::{Decimal, split};

/// A span of time in whole milliseconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    millis: u64,
}

/// Why a text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Neither form.
    #[error("`{0}` is not a span of time: write 90s, 1h30m, 2d or 1:30:00")]
    Malformed(String),
    /// A number alone: minutes for some, seconds for others.
    #[error("`{0}` has no unit: write {0}s for seconds or {0}m for minutes")]
    NoUnit(String),
    /// A unit that is not known.
    #[error("`{unit}` in `{text}` is not a unit of time: ms, s, m, h and d are")]
    Unit {
        /// All that was written.
        text: String,
        /// The part that is not known.
        unit: String,
    },
    /// A field of `h:mm:ss` that its next larger one should have taken up.
    #[error("`{field}` in `{text}` is more than 59")]
    Field {
        /// All that was written.
        text: String,
        /// The part that is too large.
        field: String,
    },
    /// Zero.
    #[error("`{0}` is no time at all; the least is 1ms")]
    Zero(String),
    /// Beyond what the journal can count.
    #[error("`{0}` is more than 100 years, the most that makes sense")]
    TooLong(String),
}

/// 100 years.
const MOST_MS: u64 = 100 * 366 * 86_400_000;

impl Duration {
    /// Returns whole milliseconds, at least 1.
    pub fn as_millis(self) -> u64 {
        self.millis
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let trimmed = text.trim();
        let millis = if trimmed.contains(':') { clock(trimmed)? } else { units(trimmed)? };
        match millis {
            0 => Err(DurationError::Zero(trimmed.to_owned())),
            MOST_MS.. => Err(DurationError::TooLong(trimmed.to_owned())),
            millis => Ok(Self { millis }),
        }
    }
}

/// Reads `[d-]h:mm:ss` or `mm:ss`, as Slurm does.
fn clock(text: &str) -> Result<u64, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let fields: Vec<&str> = rest.split(':').collect();
    let (hours, minutes, seconds) = match (fields.as_slice(), days) {
        ([hours, minutes, seconds], _) => (Some(*hours), *minutes, *seconds),
        ([minutes, seconds], None) => (None, *minutes, *seconds),
        ([hours, minutes], Some(_)) => (Some(*hours), *minutes, "0"),
        _ => return Err(malformed()),
    };
    let whole = |field: &str| -> Result<u64, DurationError> {
        let digits = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(malformed());
        }
        if field.len() > 9 {
            return Err(DurationError::TooLong(text.to_owned()));
        }
        field.parse().map_err(|_| malformed())
    };
    let below_sixty = |field: &str| match whole(field)? {
        60.. => Err(DurationError::Field { text: text.to_owned(), field: field.to_owned() }),
        value => Ok(value),
    };
    let days = days.map_or(Ok(0), whole)?;
    let (hours, minutes) = match hours {
        Some(hours) => (whole(hours)?, below_sixty(minutes)?),
        None => (0, whole(minutes)?),
    };
    Ok((((days * 24 + hours) * 60 + minutes) * 60 + below_sixty(seconds)?) * 1000)
}

/// Reads `1h30m`: numbers, each with its unit, the larger unit first or not.
fn units(text: &str) -> Result<u64, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest);
        let end = after
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let value: Decimal = number.parse().map_err(|_| malformed())?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(if rest == text {
                DurationError::NoUnit(text.to_owned())
            } else {
                malformed()
            });
        }
        let unit_ms = unit_ms(unit)
            .ok_or_else(|| DurationError::Unit { text: text.to_owned(), unit: unit.to_owned() })?;
        let part = value.times(unit_ms).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = next;
    }
    if text.is_empty() { Err(malformed()) } else { Ok(total) }
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Result<u64, String> {
        text.parse::<Duration>().map(Duration::as_millis).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_with_units_add_up() {
        assert_eq!(millis("90s"), Ok(90_000));
        assert_eq!(millis("2h"), Ok(7_200_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1 h 30 min"), Ok(5_400_000));
        assert_eq!(millis("1.5h"), Ok(5_400_000));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("2d"), Ok(172_800_000));
    }

    #[test]
    fn fields_with_colons_read_as_on_a_clock() {
        assert_eq!(millis("1:30:00"), Ok(5_400_000));
        assert_eq!(millis("30:00"), Ok(1_800_000));
        assert_eq!(millis("90:00"), Ok(5_400_000));
        assert_eq!(millis("1-12:00:00"), Ok(129_600_000));
        assert_eq!(millis("1-12:00"), Ok(129_600_000));
    }

    #[test]
    fn a_bad_span_says_what_is_wrong_with_it() {
        assert_eq!(
            millis("90"),
            Err("`90` has no unit: write 90s for seconds or 90m for minutes".into())
        );
        assert_eq!(
            millis("2 fortnights"),
            Err("`fortnights` in `2 fortnights` is not a unit of time: ms, s, m, h and d are"
                .into())
        );
        assert_eq!(millis("1:75:00"), Err("`75` in `1:75:00` is more than 59".into()));
        assert_eq!(millis("0s"), Err("`0s` is no time at all; the least is 1ms".into()));
        assert_eq!(
            millis("200000d"),
            Err("`200000d` is more than 100 years, the most that makes sense".into())
        );
        assert_eq!(
            millis("1:2:3:4"),
            Err("`1:2:3:4` is not a span of time: write 90s, 1h30m, 2d or 1:30:00".into())
        );
        assert_eq!(
            millis("-2h"),
            Err("`-2h` is not a span of time: write 90s, 1h30m, 2d or 1:30:00".into())
        );
        assert!(millis("").is_err());
        assert!(millis("1h30").is_err());
        assert!(millis("99999999999999h").unwrap_err().contains("100 years"));
        assert!(millis("9999999999:00:00").unwrap_err().contains("100 years"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.:hmsd -]{0,40}|.*") {
            drop(millis(&text));
        }

        #[test]
        fn hours_minutes_and_seconds_agree_in_both_forms(hours in 0_u64..1000, minutes in 0_u64..60, seconds in 1_u64..60) {
            prop_assert_eq!(
                millis(&format!("{hours}:{minutes:02}:{seconds:02}")),
                millis(&format!("{hours}h{minutes}m{seconds}s"))
            );
        }
    }
}
