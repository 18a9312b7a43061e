//! Arrays and ranges of indices.

use repower_model::{Array, IndexRange};

use super::{ConvertError, Problem};
use crate::v1;

impl From<&Array> for v1::Array {
    fn from(array: &Array) -> Self {
        let ranges = array.ranges().iter().map(|range| (*range).into()).collect();
        Self { ranges, limit: array.limit.unwrap_or(0) }
    }
}

impl TryFrom<v1::Array> for Array {
    type Error = ConvertError;

    fn try_from(array: v1::Array) -> Result<Self, ConvertError> {
        let ranges = array.ranges.into_iter().map(Into::into).collect();
        let limit = (array.limit != 0).then_some(array.limit);
        Self::new(ranges, limit).map_err(|error| ConvertError::new("array", Problem::Array(error)))
    }
}

impl From<IndexRange> for v1::IndexRange {
    fn from(range: IndexRange) -> Self {
        Self { first: range.first, last: range.last, step: range.step }
    }
}

impl From<v1::IndexRange> for IndexRange {
    fn from(range: v1::IndexRange) -> Self {
        Self { first: range.first, last: range.last, step: range.step }
    }
}
