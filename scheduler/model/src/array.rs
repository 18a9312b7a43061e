//! Arrays: which indices a job has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The indices of an array: ascending ranges that do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    ranges: Vec<IndexRange>,
    /// The place of each range's first index.
    starts: Vec<u32>,
    /// How many tasks may run at once; `None`: no limit.
    pub limit: Option<u32>,
}

/// `first, first + step, ..` up to `last`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRange {
    /// The first index.
    pub first: u32,
    /// No index is higher.
    pub last: u32,
    /// At least 1.
    pub step: u32,
}

/// Ranges that make no array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// There is no range at all.
    #[error("an array needs at least one index")]
    Empty,
    /// A range ends before it begins.
    #[error("the range {first}-{last} is backwards")]
    Backwards {
        /// Where it begins.
        first: u32,
        /// Where it ends.
        last: u32,
    },
    /// A step of zero.
    #[error("the range {first}-{last} has a step of 0")]
    NoStep {
        /// Where it begins.
        first: u32,
        /// Where it ends.
        last: u32,
    },
    /// Two ranges overlap or are out of order.
    #[error("the range {range} does not come after the one before it, which ends at {end}")]
    Overlap {
        /// The later range.
        range: IndexRange,
        /// The last index of the earlier one.
        end: u32,
    },
    /// More ranges than one array may have.
    #[error("the array has {asked} ranges, but a job may have at most {most}")]
    TooManyRanges {
        /// How many it has.
        asked: usize,
        /// How many it may have.
        most: usize,
    },
    /// More indices than one array may have.
    #[error("the array has {asked} tasks, but a job may have at most {most}")]
    TooMany {
        /// How many it has.
        asked: u64,
        /// How many it may have.
        most: u64,
    },
}

impl IndexRange {
    /// How many indices.
    pub fn count(self) -> u64 {
        u64::from(self.last.saturating_sub(self.first) / self.step.max(1)) + 1
    }

    /// Checks that it has an index.
    ///
    /// # Errors
    ///
    /// [`ArrayError::Backwards`] or [`ArrayError::NoStep`].
    pub fn check(self) -> Result<(), ArrayError> {
        let Self { first, last, step } = self;
        if last < first {
            return Err(ArrayError::Backwards { first, last });
        }
        if step == 0 {
            return Err(ArrayError::NoStep { first, last });
        }
        Ok(())
    }

    /// What is left without the first `count` indices; `None`: nothing.
    fn after(self, count: u64) -> Option<Self> {
        let left = self.count().checked_sub(count).filter(|left| *left > 0)?;
        let last = self.end();
        let first = u64::from(last) - (left - 1) * u64::from(self.step);
        Some(Self { first: u32::try_from(first).ok()?, last, ..self })
    }

    fn end(self) -> u32 {
        self.last - self.last.saturating_sub(self.first) % self.step.max(1)
    }
}

impl fmt::Display for IndexRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last, .. } if first == last => write!(f, "{first}"),
            Self { first, last, step: 1 } => write!(f, "{first}-{last}"),
            Self { first, last, step } => write!(f, "{first}-{last}:{step}"),
        }
    }
}

impl Array {
    /// The most tasks that one job may have.
    pub const MOST: u64 = 10_000_000;
    /// The most ranges that one job may have.
    pub const MOST_RANGES: usize = 100_000;

    /// An array of ascending ranges.
    pub fn new(ranges: Vec<IndexRange>, limit: Option<u32>) -> Result<Self, ArrayError> {
        if ranges.len() > Self::MOST_RANGES {
            let (asked, most) = (ranges.len(), Self::MOST_RANGES);
            return Err(ArrayError::TooManyRanges { asked, most });
        }
        let mut before: Option<u32> = None;
        let (mut count, mut starts) = (0_u64, Vec::with_capacity(ranges.len()));
        for range in &ranges {
            range.check()?;
            if let Some(end) = before.filter(|end| *end >= range.first) {
                return Err(ArrayError::Overlap { range: *range, end });
            }
            before = Some(range.end());
            // Within the bound that is checked below, a place fits.
            starts.push(u32::try_from(count).unwrap_or(u32::MAX));
            count += range.count();
        }
        match count {
            0 => Err(ArrayError::Empty),
            asked if asked > Self::MOST => Err(ArrayError::TooMany { asked, most: Self::MOST }),
            _ => Ok(Self { ranges, starts, limit }),
        }
    }

    /// Index 0 alone: what a job without an array has.
    pub fn single() -> Self {
        let ranges = vec![IndexRange { first: 0, last: 0, step: 1 }];
        Self { ranges, starts: vec![0], limit: None }
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[IndexRange] {
        &self.ranges
    }

    /// How many indices.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.count()).sum()
    }

    /// The index at a place; places count from 0 without gaps. `None` past the end.
    pub fn index(&self, place: u32) -> Option<u32> {
        let at = self.starts.partition_point(|start| *start <= place).checked_sub(1)?;
        let (range, offset) = (self.ranges[at], place - self.starts[at]);
        (u64::from(offset) < range.count()).then(|| range.first + offset * range.step)
    }

    /// Whether another array has the very same indices, however its ranges are written; limits do
    /// not matter. Cost follows the ranges.
    pub fn has_same_indices(&self, other: &Self) -> bool {
        let mut others = other.ranges.iter().copied();
        let mut there: Option<IndexRange> = None;
        for range in &self.ranges {
            let mut here = Some(*range);
            while let Some(one) = here {
                let Some(two) = there.or_else(|| others.next()) else {
                    return false;
                };
                if one.first != two.first {
                    return false;
                }
                let same = one.step == two.step;
                let taken = if same { one.count().min(two.count()) } else { 1 };
                (here, there) = (one.after(taken), two.after(taken));
            }
        }
        there.is_none() && others.next().is_none()
    }

    /// The places of those indices of a range that the array has, as intervals, ascending.
    pub fn places(&self, asked: IndexRange) -> Vec<(u32, u32)> {
        let whole = self.place(asked.first).zip(self.place(asked.end()));
        if let Some((first, last)) = whole
            && u64::from(last - first) + 1 == asked.count()
        {
            return vec![(first, last)];
        }
        let mut found: Vec<(u32, u32)> = Vec::new();
        let indices = (asked.first..=asked.last).step_by(asked.step.max(1) as usize);
        for place in indices.filter_map(|index| self.place(index)) {
            match found.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ => found.push((place, place)),
            }
        }
        found
    }

    /// The place of an index; `None` if the array does not have it.
    pub fn place(&self, index: u32) -> Option<u32> {
        let at = self.ranges.partition_point(|range| range.first <= index).checked_sub(1)?;
        let range = self.ranges[at];
        let offset = index - range.first;
        let has = index <= range.last && offset.is_multiple_of(range.step);
        has.then(|| self.starts[at] + offset / range.step)
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.ranges.iter().enumerate() {
            write!(f, "{}{range}", if at == 0 { "" } else { "," })?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, "%{limit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(ranges: &[(u32, u32, u32)]) -> Result<Array, ArrayError> {
        let ranges =
            ranges.iter().map(|&(first, last, step)| IndexRange { first, last, step }).collect();
        Array::new(ranges, None)
    }

    #[test]
    fn places_and_indices_are_each_others_inverse() {
        let array = array(&[(1, 9, 2), (20, 22, 1), (30, 30, 5)]).unwrap();

        let indices: Vec<_> = (0..9).map(|place| array.index(place).unwrap()).collect();

        assert_eq!(indices, [1, 3, 5, 7, 9, 20, 21, 22, 30]);
        assert!(
            indices
                .iter()
                .enumerate()
                .all(|(at, index)| array.place(*index) == u32::try_from(at).ok())
        );
        assert_eq!(
            (array.index(9), array.place(2), array.place(10), array.place(31)),
            (None, None, None, None)
        );
    }

    #[test]
    fn arrays_have_the_same_indices_however_their_ranges_are_written() {
        let same = |one: &[(u32, u32, u32)], two: &[(u32, u32, u32)]| {
            let (one, two) = (array(one).unwrap(), array(two).unwrap());
            assert_eq!(one.has_same_indices(&two), two.has_same_indices(&one));
            one.has_same_indices(&two)
        };

        assert!(same(&[(0, 9, 1)], &[(0, 4, 1), (5, 9, 1)]));
        assert!(same(&[(0, 4, 2)], &[(0, 2, 2), (4, 4, 1)]));
        assert!(same(&[(0, 5, 5)], &[(0, 0, 1), (5, 5, 1)]));
        assert!(same(&[(0, 5, 2)], &[(0, 4, 2)]));
        assert!(!same(&[(0, 4, 2)], &[(0, 0, 1), (3, 4, 1)]));
        assert!(!same(&[(0, 9, 1)], &[(0, 8, 1)]));
        assert!(!same(&[(0, 9, 1)], &[(1, 10, 1)]));
        assert!(!same(&[(0, 4, 2)], &[(0, 4, 1)]));
        assert!(same(&[(0, 9_999_998, 1)], &[(0, 5_000_000, 1), (5_000_001, 9_999_998, 1)]));
    }

    #[test]
    fn the_places_of_a_range_are_few_intervals() {
        let array = array(&[(0, 999_999, 1), (2_000_000, 2_000_010, 2)]).unwrap();
        let places = |first, last, step| array.places(IndexRange { first, last, step });

        assert_eq!(places(5, 900_000, 1), [(5, 900_000)]);
        assert_eq!(places(1, 7, 3), [(1, 1), (4, 4), (7, 7)]);
        assert_eq!(places(999_999, 2_000_003, 1), [(999_999, 1_000_001)]);
    }

    #[test]
    fn ranges_that_make_no_array_are_refused_by_name() {
        assert_eq!(array(&[]), Err(ArrayError::Empty));
        assert_eq!(array(&[(5, 4, 1)]), Err(ArrayError::Backwards { first: 5, last: 4 }));
        assert_eq!(array(&[(0, 4, 0)]), Err(ArrayError::NoStep { first: 0, last: 4 }));
        assert!(matches!(array(&[(0, 4, 1), (4, 5, 1)]), Err(ArrayError::Overlap { end: 4, .. })));
        assert!(array(&[(0, 5, 2), (5, 6, 1)]).is_ok());
        assert!(matches!(array(&[(0, u32::MAX, 1)]), Err(ArrayError::TooMany { .. })));
    }
}
