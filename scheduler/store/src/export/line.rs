//! One line of an export.

use std::fmt;
use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointError;
use crate::hex;
use crate::journal::StoredEntry;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A fact.
    Fact(StoredEntry),
    /// The signed note over all facts before. It is the last line.
    Head(String),
}

/// A line that is not one of an export, or not in its place.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The file cannot be read.
    #[error("line {line} cannot be read")]
    Io {
        /// Which line, counted from 1.
        line: u64,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The line is too long to be a fact.
    #[error("line {line} is longer than {} bytes", super::LINE_LIMIT)]
    TooLong {
        /// Which line, counted from 1.
        line: u64,
    },
    /// The file ends in the middle of a line.
    #[error("line {line} is cut short")]
    Cut {
        /// Which line, counted from 1.
        line: u64,
    },
    /// The line is not the JSON of a fact or a head.
    #[error("line {line} is neither a fact nor a head")]
    Json {
        /// Which line, counted from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The body or the leaf is not encoded as it should be.
    #[error("line {line} has no base64 in `body`, or not 64 hex digits in `leaf`")]
    Encoding {
        /// Which line, counted from 1.
        line: u64,
    },
    /// Something follows the head.
    #[error("line {line} comes after the head, which is the last line of an export")]
    AfterHead {
        /// Which line, counted from 1.
        line: u64,
    },
    /// There is no head.
    #[error("the export ends without a head: its end was cut off")]
    NoHead,
    /// The head is malformed.
    #[error("the head in the last line is malformed")]
    Head(#[source] CheckpointError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactText {
    seq: u64,
    leaf: String,
    body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    head: String,
}

impl Line {
    /// Reads a line without its newline.
    pub fn parse(line: &[u8], number: u64) -> Result<Self, LineError> {
        let json = |source| LineError::Json { line: number, source };
        if line.starts_with(b"{\"head\"") {
            return Ok(Self::Head(serde_json::from_slice::<HeadText>(line).map_err(json)?.head));
        }
        let text: FactText = serde_json::from_slice(line).map_err(json)?;
        let body = STANDARD.decode(text.body).ok();
        let leaf = hex::parse(&text.leaf).and_then(|leaf| leaf.try_into().ok());
        let (Some(body), Some(leaf)) = (body, leaf) else {
            return Err(LineError::Encoding { line: number });
        };
        Ok(Self::Fact(StoredEntry { seq: text.seq, body, leaf }))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Fact(fact) => {
                let text = FactText {
                    seq: fact.seq,
                    leaf: hex::of(&fact.leaf),
                    body: STANDARD.encode(&fact.body),
                };
                serde_json::to_string(&text)
            }
            Self::Head(note) => serde_json::to_string(&HeadText { head: note.clone() }),
        };
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}
