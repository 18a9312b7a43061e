//! What tasks print, in `output.db` beside the ledger.
//!
//! Output is bytes in order, by attempt and stream. It arrives in chunks that may be sent again after a lost
//! connection: a chunk says where it starts, what is there already is passed over, and a gap that it does not own up
//! to is refused. So every byte is kept exactly once. Of a stream that passes its bound the beginning and the end
//! stay. What has ended is compressed, and in the end removed. It is not part of the ledger.

mod append;
mod pack;
mod read;
mod remove;
mod schema;
mod tail;
#[cfg(test)]
mod tests;

pub use append::{Output, Refused, Spare};
pub use pack::{Block, Packed};
pub use read::{Arrival, Piece, Printer, Reader};
pub use remove::Removed;

use repower_model::RankId;

/// The most bytes of one chunk, as printed.
pub const CHUNK_LIMIT: usize = 256 * 1024;

/// One of the two streams that a task prints to; stored as its file descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    fn number(self) -> i64 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    fn of(number: i64) -> Self {
        if number == 1 { Self::Stdout } else { Self::Stderr }
    }
}

/// Some bytes that a process printed: of a plain attempt, or a rank of a gang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which process.
    pub rank: RankId,
    /// To which stream.
    pub stream: Stream,
    /// How many bytes of the stream come before.
    pub start: u64,
    /// How many of those, right before it, will never come.
    pub missing: u64,
    /// The bytes: at most [`CHUNK_LIMIT`].
    pub bytes: Vec<u8>,
}
