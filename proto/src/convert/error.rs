//! Messages that the model has no words for.

use repower_model::ArrayError;

/// A message that the model has no words for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field `{field}` of the message {problem}")]
pub struct ConvertError {
    /// Which field, with the fields around it: `spec.array`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is needed, and is not there.
    #[error("is missing")]
    Missing,
    /// An enumeration says nothing, or something that this version does not know.
    #[error("has the value {value}, which this version does not know")]
    Unknown {
        /// Its number on the wire.
        value: i32,
    },
    /// A word is none of those that it may be.
    #[error("has the word `{word}`, which this version does not know")]
    UnknownWord {
        /// As it came.
        word: String,
    },
    /// Bytes of the wrong length.
    #[error("has {got} bytes, but must have {expected}")]
    Length {
        /// How many it must have.
        expected: usize,
        /// How many it has.
        got: usize,
    },
    /// Ranges that make no array.
    #[error("is not an array: {0}")]
    Array(ArrayError),
    /// The bytes are no protobuf of this kind.
    #[error("is not protobuf of its kind")]
    Malformed,
}

impl ConvertError {
    /// What is wrong with a field.
    pub fn new(field: &str, problem: Problem) -> Self {
        Self { field: field.to_owned(), problem }
    }

    /// The same, of a field of the field `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}
