//! How far a task says that it is. Claims, all of it: nobody has checked them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Span, Timestamp};

/// A part of a whole, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fraction {
    ppm: u32,
}

/// Something that a task counts: steps, epochs, files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What is counted; see [`check_unit`].
    pub unit: String,
    /// How many by now; at most [`Count::MOST`].
    pub value: u64,
    /// How many there will be, if that is known: at least `value`, and not 0.
    pub total: Option<u64>,
}

/// What a task says in one line: how much of its work is done, how much it has counted, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Of all of its work; `None`: it does not say.
    pub done: Option<Fraction>,
    /// What it has counted; `None`: it does not say.
    pub count: Option<Count>,
}

/// What a process has said of its progress, all in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its latest line that could be read; `None`: there was none yet.
    pub claim: Option<Claim>,
    /// When its latest line was seen, by the clock of the node.
    pub said: Timestamp,
    /// When its claim was last another than before.
    pub changed: Timestamp,
    /// Where its claims of work done have begun, and when: what its pace is measured from. They begin anew whenever
    /// one is less than the one before.
    pub first: Option<(Fraction, Timestamp)>,
    /// How many lines were read. Of very many at once only the latest are.
    pub lines: u64,
    /// How many of them were no claims.
    pub bad_lines: u64,
    /// What was wrong with the latest of those; empty: nothing was. Never what it said: that may be anything.
    pub mistake: String,
}

/// Why a line is no claim. Says nothing of what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// It says nothing.
    #[error("it is empty")]
    Empty,
    /// It is too long to be one.
    #[error("it is longer than {} bytes", Claim::LONGEST)]
    Long,
    /// It is not plain text.
    #[error("it has bytes in it that are not ASCII")]
    NotText,
    /// A word that is neither of the two.
    #[error("the word {place} is neither a fraction (`0.42`, `42%`) nor a count (`step=1200`)")]
    Word {
        /// Which word of the line, from 1.
        place: usize,
    },
    /// There are two of what may be there once.
    #[error("the word {place} is a second {what}, and a line has one")]
    Twice {
        /// Which word of the line, from 1.
        place: usize,
        /// A fraction, or a count.
        what: &'static str,
    },
    /// More than all of it.
    #[error("the fraction is above 1, which is all of the work")]
    AboveAll,
    /// A unit that cannot be.
    #[error(
        "the unit of the count is not 1 to {} of `a-z`, `0-9`, `-` and `_`, beginning with a letter",
        Count::LONGEST_UNIT
    )]
    Unit,
    /// A count that is no whole number.
    #[error("the count is not a whole number of at most {} digits", Count::DIGITS)]
    Value,
    /// A total of nothing, or one that is passed.
    #[error("the count of {value} is above its total of {total}, or the total is 0")]
    Total {
        /// How many by now.
        value: u64,
        /// How many there will be.
        total: u64,
    },
}

impl Fraction {
    /// All of it.
    pub const ALL: Self = Self { ppm: 1_000_000 };

    /// So many millionths; `None` above a million.
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= Self::ALL.ppm { Some(Self { ppm }) } else { None }
    }

    /// In millionths.
    pub const fn as_ppm(self) -> u32 {
        self.ppm
    }

    /// `part` of `whole`, rounded down; a `whole` of 0 counts as 1, and more than all as all.
    pub fn of(part: u64, whole: u64) -> Self {
        let ppm = u128::from(part) * u128::from(Self::ALL.ppm) / u128::from(whole.max(1));
        Self { ppm: u32::try_from(ppm).unwrap_or(u32::MAX).min(Self::ALL.ppm) }
    }
}

impl fmt::Display for Fraction {
    /// As a decimal without needless digits: `0.42`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.ppm / Self::ALL.ppm, self.ppm % Self::ALL.ppm);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Fraction {
    type Err = ClaimError;

    /// Reads `0.42` or `42%`; digits beyond the millionth are left out.
    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let (number, shift) = text.strip_suffix('%').map_or((text, 6), |number| (number, 4));
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| {
            !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(whole) || !is_number(rest) {
            return Err(ClaimError::Word { place: 1 });
        }
        let mut ppm: u64 = whole.parse().map_err(|_| ClaimError::AboveAll)?;
        let mut digits = rest.bytes();
        for _ in 0..shift {
            let digit = digits.next().map_or(0, |byte| u64::from(byte - b'0'));
            ppm = ppm.saturating_mul(10).saturating_add(digit);
        }
        let is_more = digits.any(|byte| byte != b'0');
        let fraction = u32::try_from(ppm).ok().and_then(Self::from_ppm);
        let fraction = fraction.filter(|fraction| *fraction < Self::ALL || !is_more);
        fraction.ok_or(ClaimError::AboveAll)
    }
}

impl Count {
    /// The longest unit, in bytes.
    pub const LONGEST_UNIT: usize = 16;
    /// The digits of a count.
    pub const DIGITS: usize = 15;
    /// The largest count: whole in any program's numbers.
    pub const MOST: u64 = 999_999_999_999_999;

    /// Checks that all of it is as it may be.
    ///
    /// # Errors
    ///
    /// [`ClaimError`], for the first part that is not.
    pub fn check(&self) -> Result<(), ClaimError> {
        check_unit(&self.unit)?;
        if self.value > Self::MOST || self.total.is_some_and(|total| total > Self::MOST) {
            return Err(ClaimError::Value);
        }
        match self.total {
            Some(total) if total == 0 || self.value > total => {
                Err(ClaimError::Total { value: self.value, total })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for Count {
    /// `step=1200`, or `step=1200/3000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.unit, self.value)?;
        self.total.map_or(Ok(()), |total| write!(f, "/{total}"))
    }
}

impl FromStr for Count {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let (unit, amount) = text.split_once('=').ok_or(ClaimError::Word { place: 1 })?;
        let (value, total) = match amount.split_once('/') {
            Some((value, total)) => (value, Some(total)),
            None => (amount, None),
        };
        let number = |digits: &str| {
            let is_one = digits.len() <= Self::DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| is_one).ok_or(ClaimError::Value)
        };
        let (value, total) = (number(value), total.map(number).transpose());
        check_unit(unit)?;
        let count = Self { unit: unit.to_owned(), value: value?, total: total? };
        count.check().map(|()| count)
    }
}

impl Claim {
    /// The longest line, in bytes, without its end.
    pub const LONGEST: usize = 128;

    /// How much of the work is done: as it is said, or else by what was counted.
    pub fn done(&self) -> Option<Fraction> {
        let counted = || {
            let count = self.count.as_ref()?;
            Some(Fraction::of(count.value, count.total?))
        };
        self.done.or_else(counted)
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn read(line: &[u8]) -> Result<Self, ClaimError> {
        if line.len() > Self::LONGEST {
            return Err(ClaimError::Long);
        }
        let line = std::str::from_utf8(line).ok().filter(|line| line.is_ascii());
        let line = line.ok_or(ClaimError::NotText)?;
        let mut claim = Self { done: None, count: None };
        for (place, word) in (1..).zip(line.split_ascii_whitespace()) {
            let placed = |error| {
                if matches!(error, ClaimError::Word { .. }) {
                    ClaimError::Word { place }
                } else {
                    error
                }
            };
            let (is_second, what) = if word.contains('=') {
                (claim.count.replace(word.parse().map_err(placed)?).is_some(), "count")
            } else {
                (claim.done.replace(word.parse().map_err(placed)?).is_some(), "fraction")
            };
            if is_second {
                return Err(ClaimError::Twice { place, what });
            }
        }
        match claim {
            Self { done: None, count: None } => Err(ClaimError::Empty),
            claim => Ok(claim),
        }
    }
}

impl fmt::Display for Claim {
    /// As a line that can be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.done, &self.count) {
            (Some(done), Some(count)) => write!(f, "{done} {count}"),
            (Some(done), None) => write!(f, "{done}"),
            (None, Some(count)) => write!(f, "{count}"),
            (None, None) => Ok(()),
        }
    }
}

impl Progress {
    /// The most bytes of `mistake`.
    pub const LONGEST_MISTAKE: usize = 200;

    /// How much of the work is done, as it says.
    pub fn done(&self) -> Option<Fraction> {
        self.claim.as_ref().and_then(Claim::done)
    }

    /// When it will have ended if it goes on as fast as it says that it has since its first claim; `None`: it has
    /// not said twice how far it is. Nobody may count on it.
    pub fn expected_end(&self) -> Option<Timestamp> {
        let (done, (first, since)) = (self.done()?, self.first?);
        let gained = done.as_ppm().checked_sub(first.as_ppm()).filter(|gained| *gained > 0)?;
        let took = u128::from(self.changed.since(since).as_millis());
        let left = u128::from(Fraction::ALL.as_ppm() - done.as_ppm()) * took / u128::from(gained);
        Some(self.changed + Span::from_millis(u64::try_from(left).unwrap_or(u64::MAX)))
    }
}

/// Checks the unit of a count: 1 to 16 of `a-z`, `0-9`, `-` and `_`, of which the first is a letter.
///
/// # Errors
///
/// [`ClaimError::Unit`] if it is not so.
pub fn check_unit(unit: &str) -> Result<(), ClaimError> {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let is_good = unit.len() <= Count::LONGEST_UNIT
        && unit.starts_with(|first: char| first.is_ascii_lowercase())
        && unit.bytes().all(is_part);
    if is_good { Ok(()) } else { Err(ClaimError::Unit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Claim, ClaimError> {
        Claim::read(line.as_bytes())
    }

    fn done(line: &str) -> Result<u32, ClaimError> {
        read(line).map(|claim| claim.done().map_or(0, Fraction::as_ppm))
    }

    #[test]
    fn a_line_says_how_much_is_done_or_counted_or_both() {
        for (line, ppm) in [
            ("0", 0),
            ("1", 1_000_000),
            ("1.000", 1_000_000),
            ("0.42", 420_000),
            ("0.1234569", 123_456),
            ("42%", 420_000),
            ("99.99999%", 999_999),
            ("100%", 1_000_000),
            ("0.42 step=1200", 420_000),
            ("step=1200/3000", 400_000),
            ("  step=0/7\t0.5 \r", 500_000),
            ("step=1200", 0),
        ] {
            assert_eq!(done(line), Ok(ppm), "{line:?}");
        }
        let both = read("0.42 step=1200/3000").unwrap();
        let count = Count { unit: "step".into(), value: 1200, total: Some(3000) };
        assert_eq!(both.count, Some(count));
    }

    #[test]
    fn what_is_no_claim_is_told_without_repeating_it() {
        let word = |place| ClaimError::Word { place };
        let total = |value, total| ClaimError::Total { value, total };
        for (line, wrong) in [
            ("", ClaimError::Empty),
            ("  ", ClaimError::Empty),
            ("fourty percent", word(1)),
            ("0.5 and a bit", word(2)),
            (".5", word(1)),
            ("5.", word(1)),
            ("-0.1", word(1)),
            ("1e-3", word(1)),
            ("0,5", word(1)),
            ("nan", word(1)),
            ("%", word(1)),
            ("1.01", ClaimError::AboveAll),
            ("1.00000001", ClaimError::AboveAll),
            ("101%", ClaimError::AboveAll),
            ("100.0000001%", ClaimError::AboveAll),
            ("999999999999999999", ClaimError::AboveAll),
            ("0.1 0.2", ClaimError::Twice { place: 2, what: "fraction" }),
            ("a=1 b=2", ClaimError::Twice { place: 2, what: "count" }),
            ("Step=1", ClaimError::Unit),
            ("=1", ClaimError::Unit),
            ("a-unit-that-is-too-long=1", ClaimError::Unit),
            ("step=", ClaimError::Value),
            ("step=-1", ClaimError::Value),
            ("step=+1", ClaimError::Value),
            ("step=1.5", ClaimError::Value),
            ("step=1000000000000000", ClaimError::Value),
            ("step=1/", ClaimError::Value),
            ("step=8/7", total(8, 7)),
            ("step=0/0", total(0, 0)),
            ("step=7 0.5 \u{fc}", ClaimError::NotText),
        ] {
            assert_eq!(read(line), Err(wrong), "{line:?}");
        }
        assert_eq!(Claim::read(&[b'0'; 129]), Err(ClaimError::Long));
        assert_eq!(Claim::read(&[0xff, b'1']), Err(ClaimError::NotText));
    }

    #[test]
    fn a_claim_reads_back_as_it_was_written() {
        for line in ["0", "1", "0.42", "0.000001", "0.42 step=1200/3000", "files=7", "1 a_b-2=0"] {
            assert_eq!(read(line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn the_expected_end_goes_by_the_pace_since_the_first_claim() {
        let at = Timestamp::from_millis;
        let progress = |first: u32, ppm: u32, changed: i64| Progress {
            claim: Some(Claim { done: Fraction::from_ppm(ppm), count: None }),
            said: at(changed + 5000),
            changed: at(changed),
            first: Fraction::from_ppm(first).map(|first| (first, at(1000))),
            lines: 2,
            bad_lines: 0,
            mistake: String::new(),
        };

        // A quarter in 10 s, and half is left.
        assert_eq!(progress(250_000, 500_000, 11_000).expected_end(), Some(at(31_000)));
        assert_eq!(progress(0, 1_000_000, 11_000).expected_end(), Some(at(11_000)));
        assert_eq!(progress(250_000, 250_000, 11_000).expected_end(), None);
        assert_eq!(progress(500_000, 250_000, 11_000).expected_end(), None);
        // However slow it is, nothing overflows.
        let slow = progress(0, 1, i64::MAX - 10_000).expected_end();
        assert_eq!(slow, Some(at(i64::MAX)));
    }
}
