//! The indices of an array: `0-999`, `1-9:2`, `0,3,7-9`, `0-99%10`.

use std::fmt;
use std::str::FromStr;

use repower_proto::v1;

/// Ranges that one array may name; more are better said by a step.
const RANGES: usize = 10_000;

/// Indices as ranges, ascending and apart from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indices {
    ranges: Vec<v1::IndexRange>,
}

/// An array: its indices and how many of its tasks may run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    indices: Indices,
    limit: u32,
}

/// Why a text does not name indices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// Not a whole number between 0 and 4294967295.
    #[error("`{0}` is not an index: whole numbers from 0 to 4294967295 are")]
    Index(String),
    /// The end comes before the start.
    #[error("the range {first}-{last} runs backwards")]
    Backwards {
        /// Its start.
        first: u32,
        /// Its end.
        last: u32,
    },
    /// A step of zero never arrives.
    #[error("the range {0} has a step of 0; the least is 1")]
    Step(String),
    /// Nothing at all, or nothing between two commas.
    #[error("an empty range in `{0}`")]
    Empty(String),
    /// Two ranges share an index or lie in each other.
    #[error("the ranges {left} and {right} overlap")]
    Overlap {
        /// The one that starts first.
        left: String,
        /// The one that starts within it.
        right: String,
    },
    /// More ranges than are taken.
    #[error("{0} ranges in one array; the most is {RANGES}")]
    Ranges(usize),
    /// `%0` would never run anything.
    #[error("`%0` lets no task run; the least is %1")]
    NoneAtOnce,
    /// What follows the `%` is not a number.
    #[error("`%{0}` does not say how many tasks may run at once: write for example %10")]
    Limit(String),
}

impl Indices {
    /// Returns how many indices there are.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from((range.last - range.first) / range.step) + 1).sum()
    }

    /// Returns the ranges as the wire has them, ascending.
    pub fn into_ranges(self) -> Vec<v1::IndexRange> {
        self.ranges
    }
}

impl Array {
    /// Returns how many tasks the array has.
    pub fn count(&self) -> u64 {
        self.indices.count()
    }

    /// Returns the array as the wire has it.
    pub fn into_wire(self) -> v1::Array {
        v1::Array { ranges: self.indices.ranges, limit: self.limit }
    }
}

fn index(text: &str) -> Result<u32, ArrayError> {
    let bad = || ArrayError::Index(text.to_owned());
    if text.starts_with('+') { Err(bad()) } else { text.parse().map_err(|_| bad()) }
}

fn range(text: &str) -> Result<v1::IndexRange, ArrayError> {
    let (bounds, step) =
        text.split_once(':').map_or((text, None), |(bounds, step)| (bounds, Some(step)));
    let (first, last) = match bounds.split_once('-') {
        Some((first, last)) => (index(first.trim())?, index(last.trim())?),
        None => index(bounds.trim()).map(|only| (only, only))?,
    };
    let step = step.map_or(Ok(1), |step| index(step.trim()))?;
    if step == 0 {
        return Err(ArrayError::Step(text.to_owned()));
    }
    if last < first {
        return Err(ArrayError::Backwards { first, last });
    }
    // In one form only: the last index is one that exists, and a single index has step 1.
    let last = last - (last - first) % step;
    Ok(v1::IndexRange { first, last, step: if first == last { 1 } else { step } })
}

fn shown(range: &v1::IndexRange) -> String {
    match (range.last - range.first, range.step) {
        (0, _) => range.first.to_string(),
        (_, 1) => format!("{}-{}", range.first, range.last),
        (_, step) => format!("{}-{}:{step}", range.first, range.last),
    }
}

impl FromStr for Indices {
    type Err = ArrayError;

    fn from_str(text: &str) -> Result<Self, ArrayError> {
        let parts = text.split(',').count();
        if parts > RANGES {
            return Err(ArrayError::Ranges(parts));
        }
        let mut ranges = Vec::with_capacity(parts);
        for part in text.split(',') {
            if part.trim().is_empty() {
                return Err(ArrayError::Empty(text.to_owned()));
            }
            ranges.push(range(part.trim())?);
        }
        ranges.sort_by_key(|range| range.first);
        for pair in ranges.windows(2) {
            if pair[1].first <= pair[0].last {
                return Err(ArrayError::Overlap { left: shown(&pair[0]), right: shown(&pair[1]) });
            }
        }
        Ok(Self { ranges })
    }
}

impl FromStr for Array {
    type Err = ArrayError;

    fn from_str(text: &str) -> Result<Self, ArrayError> {
        let (indices, limit) = match text.split_once('%') {
            None => (text, 0),
            Some((indices, limit)) => match limit.trim().parse::<u32>() {
                Ok(0) => return Err(ArrayError::NoneAtOnce),
                Ok(limit) => (indices, limit),
                Err(_) => return Err(ArrayError::Limit(limit.to_owned())),
            },
        };
        Ok(Self { indices: indices.parse()?, limit })
    }
}

impl fmt::Display for Indices {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&ranges(&self.ranges))
    }
}

/// Writes ranges as a person would: `0-9,20-30:2`.
pub fn ranges(ranges: &[v1::IndexRange]) -> String {
    ranges.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn array(text: &str) -> Result<(String, u32, u64), String> {
        let array: Array = text.parse().map_err(|error: ArrayError| error.to_string())?;
        Ok((array.indices.to_string(), array.limit, array.count()))
    }

    #[test]
    fn ranges_steps_lists_and_limits_are_read() {
        assert_eq!(array("0-999"), Ok(("0-999".into(), 0, 1000)));
        assert_eq!(array("1-9:2"), Ok(("1-9:2".into(), 0, 5)));
        assert_eq!(array("0-99%10"), Ok(("0-99".into(), 10, 100)));
        assert_eq!(array("7-9,0,3"), Ok(("0,3,7-9".into(), 0, 5)));
        assert_eq!(array(" 0 - 3 , 5 % 2 "), Ok(("0-3,5".into(), 2, 5)));
        assert_eq!(array("0-4294967295"), Ok(("0-4294967295".into(), 0, 1 << 32)));
    }

    #[test]
    fn a_range_ends_at_an_index_that_exists() {
        assert_eq!(array("1-10:2"), Ok(("1-9:2".into(), 0, 5)));
        assert_eq!(array("5-6:10"), Ok(("5".into(), 0, 1)));
    }

    #[test]
    fn a_bad_array_says_what_is_wrong_with_it() {
        assert_eq!(array("9-1"), Err("the range 9-1 runs backwards".into()));
        assert_eq!(array("1-9:0"), Err("the range 1-9:0 has a step of 0; the least is 1".into()));
        assert_eq!(array(""), Err("an empty range in ``".into()));
        assert_eq!(array("1,,2"), Err("an empty range in `1,,2`".into()));
        assert_eq!(
            array("x"),
            Err("`x` is not an index: whole numbers from 0 to 4294967295 are".into())
        );
        assert_eq!(
            array("-5"),
            Err("`` is not an index: whole numbers from 0 to 4294967295 are".into())
        );
        assert_eq!(
            array("0-4294967296"),
            Err("`4294967296` is not an index: whole numbers from 0 to 4294967295 are".into())
        );
        assert_eq!(array("1-5,3-7"), Err("the ranges 1-5 and 3-7 overlap".into()));
        assert_eq!(array("4,4"), Err("the ranges 4 and 4 overlap".into()));
        assert_eq!(array("0-9%0"), Err("`%0` lets no task run; the least is %1".into()));
        assert_eq!(
            array("0-9%x"),
            Err("`%x` does not say how many tasks may run at once: write for example %10".into())
        );
        assert_eq!(
            array(&"1,".repeat(20_000)),
            Err("20001 ranges in one array; the most is 10000".into())
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9,:% -]{0,40}|.*") {
            drop(array(&text));
        }

        #[test]
        fn what_is_printed_reads_back_as_the_same(first in 0_u32..1000, length in 0_u32..1000, step in 1_u32..50) {
            let read: Indices = format!("{first}-{}:{step}", first + length).parse().expect("a good range");

            let again: Indices = read.to_string().parse().expect("what was printed");

            prop_assert_eq!(again.count(), u64::from(length / step) + 1);
            prop_assert_eq!(read, again);
        }
    }
}
