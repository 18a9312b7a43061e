//! A ledger as a text file, for auditors and backups: JSON, one fact a line.
//!
//! ```text
//! {"seq":0,"leaf":"<64 hex digits>","body":"<base64>"}
//! {"seq":1,"leaf":"<64 hex digits>","body":"<base64>"}
//! {"head":"<the signed note over all facts above>"}
//! ```

mod line;
#[cfg(test)]
mod tests;

pub use line::{Line, LineError};

use std::io::{self, BufRead, Read as _, Write};

use repower_model::Timestamp;

use crate::checkpoint::Checkpoint;
use crate::journal::{Head, Ledger, ReadError, SignedHead};
use crate::merkle::Hash;
use crate::verify::{Report, Verifier};

/// The longest line that is read: far above any fact, and a file from elsewhere must not fill the memory.
pub const LINE_LIMIT: usize = 64 * 1024 * 1024;
/// How many facts are read at once.
const BATCH: usize = 1024;

/// A ledger that was not exported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The export cannot be written.
    #[error("cannot write the export")]
    Write(#[source] io::Error),
    /// The ledger has no facts yet.
    #[error("the ledger has no facts yet")]
    Empty,
}

/// Writes the whole ledger up to its newest head, and calls `progress` with the number of facts written so far.
pub fn write(
    ledger: &impl Ledger,
    to: &mut impl Write,
    mut progress: impl FnMut(u64),
) -> Result<Head, ExportError> {
    let newest = ledger.latest_head()?.ok_or(ExportError::Empty)?;
    let size = newest.head.size;
    let mut next = 0;
    while next < size {
        let facts = ledger.entries(next, BATCH)?;
        if facts.first().is_none_or(|fact| fact.seq != next) {
            return Err(ReadError::Missing { seq: next }.into());
        }
        for fact in facts.into_iter().take_while(|fact| fact.seq < size) {
            if fact.seq != next {
                return Err(ReadError::Missing { seq: next }.into());
            }
            next += 1;
            writeln!(to, "{}", Line::Fact(fact)).map_err(ExportError::Write)?;
        }
        progress(next);
    }
    writeln!(to, "{}", Line::Head(newest.note)).map_err(ExportError::Write)?;
    to.flush().map_err(ExportError::Write)?;
    Ok(newest.head)
}

/// Verifies an export, in a stream, and calls `progress` with the number of facts read so far.
///
/// What is wrong with a line is told as what is wrong with its fact.
pub fn verify(
    from: &mut impl BufRead,
    mut verifier: Verifier<'_>,
    mut progress: impl FnMut(u64),
) -> Report {
    let mut number = 0;
    let mut head = None;
    while verifier.goes_on() {
        number += 1;
        match read_line(from, number) {
            Ok(None) => break,
            Ok(Some(Line::Fact(fact))) if head.is_none() => verifier.fact(&fact),
            Ok(Some(Line::Head(note))) if head.is_none() => head = Some(note),
            Ok(Some(_)) => verifier.unreadable(&LineError::AfterHead { line: number }),
            Err(error) => verifier.unreadable(&error),
        }
        if verifier.size().is_multiple_of(1024) {
            progress(verifier.size());
        }
    }
    match head.map(signed) {
        Some(Ok(head)) => verifier.last(&head),
        Some(Err(error)) => verifier.unreadable(&error),
        None => verifier.unreadable(&LineError::NoHead),
    }
    progress(verifier.size());
    verifier.finish()
}

/// Reads the next line; `None` at the end of the file.
pub fn read_line(from: &mut impl BufRead, number: u64) -> Result<Option<Line>, LineError> {
    let mut line = Vec::new();
    let limit = LINE_LIMIT as u64 + 1;
    let read = from.by_ref().take(limit).read_until(b'\n', &mut line);
    read.map_err(|source| LineError::Io { line: number, source })?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > LINE_LIMIT {
        return Err(LineError::TooLong { line: number });
    }
    if line.pop() != Some(b'\n') {
        return Err(LineError::Cut { line: number });
    }
    Line::parse(&line, number).map(Some)
}

/// A head as an export has it. It does not say when it was made.
fn signed(note: String) -> Result<SignedHead, LineError> {
    let (size, root): (u64, Hash) = match Checkpoint::parse(&note) {
        Ok(checkpoint) => (checkpoint.size, checkpoint.root),
        Err(error) => return Err(LineError::Head(error)),
    };
    Ok(SignedHead { head: Head { size, root, at: Timestamp::default() }, note })
}
