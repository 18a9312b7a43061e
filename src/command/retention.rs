//! How long the output of ended tasks is kept, and how much of it: `30d,20GiB`.

use std::str::FromStr;

use crate::jobfile::duration::{Duration, DurationError};
use crate::jobfile::size::{Size, SizeError};

/// How long the output of ended tasks is kept, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    /// 0: it is never too old.
    pub(super) keep_ms: u64,
    /// 0: it is never too much.
    pub(super) total_bytes: u64,
}

/// A text that says neither.
#[derive(Debug, thiserror::Error)]
pub(super) enum RetentionError {
    /// Something stands there that is neither an age nor a size.
    #[error("`{text}` is neither an age ({age}) nor a size ({size})")]
    Neither { text: String, age: DurationError, size: SizeError },
    /// One of them stands there twice.
    #[error("`{0}` says the same thing twice: give one age, one size, or both")]
    Twice(String),
}

impl Retention {
    pub(super) fn of(keep_ms: u64, total_bytes: u64) -> Self {
        Self { keep_ms, total_bytes }
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    /// Reads `30d`, `20GiB`, `30d,20GiB` or `forever`. What is left out has no limit.
    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let mut retention = Self::of(0, 0);
        if text == "forever" {
            return Ok(retention);
        }
        for part in text.split(',').map(str::trim) {
            let place = match (part.parse::<Duration>(), part.parse::<Size>()) {
                (Ok(age), _) if retention.keep_ms == 0 => {
                    retention.keep_ms = age.as_millis();
                    continue;
                }
                (Err(_), Ok(size)) if retention.total_bytes == 0 => {
                    retention.total_bytes = size.as_bytes();
                    continue;
                }
                (Err(age), Err(size)) => Some((age, size)),
                _ => None,
            };
            return Err(match place {
                Some((age, size)) => RetentionError::Neither { text: part.to_owned(), age, size },
                None => RetentionError::Twice(text.to_owned()),
            });
        }
        Ok(retention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u64, u64), String> {
        let read = text.parse::<Retention>().map_err(|error| error.to_string())?;
        Ok((read.keep_ms, read.total_bytes))
    }

    #[test]
    fn an_age_a_size_or_both_are_read_in_any_order() {
        assert_eq!(read("30d"), Ok((30 * 24 * 3_600_000, 0)));
        assert_eq!(read("20GiB"), Ok((0, 20 << 30)));
        assert_eq!(read("12h, 1GiB"), Ok((12 * 3_600_000, 1 << 30)));
        assert_eq!(read("1GiB,12h"), read("12h,1GiB"));
        assert_eq!(read("forever"), Ok((0, 0)));
    }

    #[test]
    fn what_is_neither_or_comes_twice_is_refused_by_name() {
        assert!(read("soon").unwrap_err().starts_with("`soon` is neither an age ("));
        assert!(read("1d,2d").unwrap_err().contains("twice"));
        assert!(read("").is_err());
    }
}
