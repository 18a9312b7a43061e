//! The bytes of a trace: a file, plain or gzipped, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::TraceError;

/// The most bytes of one line: a record has a few hundred.
const MOST_LINE: u64 = 1 << 16;

/// How a gzip file begins, whatever its name is.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a file, and unpacks what is gzipped.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, TraceError> {
    let failed = |source| TraceError::Open { path: path.to_owned(), source };
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    unpacked(file).map_err(failed)
}

/// What some bytes say, unpacked where they are gzipped.
pub(super) fn unpacked<'a>(mut from: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let packed = from.fill_buf()?.starts_with(&GZIP);
    if packed {
        Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(from))))
    } else {
        Ok(Box::new(from))
    }
}

/// The name of bytes that are in memory.
pub(super) const MEMORY: &str = "(memory)";

/// Bytes that are in memory, unpacked where they are gzipped.
pub(super) fn memory(bytes: &[u8]) -> Result<Box<dyn BufRead + '_>, TraceError> {
    unpacked(bytes).map_err(|source| TraceError::Open { path: MEMORY.into(), source })
}

/// The error that reading on after a line gave.
pub(super) fn unreadable(path: &Path, line: u64, source: io::Error) -> TraceError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::UnexpectedEof {
        TraceError::Truncated { path, line }
    } else {
        TraceError::Read { path, line, source }
    }
}

/// The lines of a file, counted.
pub(super) struct Lines<'a> {
    path: PathBuf,
    from: Box<dyn BufRead + 'a>,
    buffer: Vec<u8>,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(path: &Path, from: Box<dyn BufRead + 'a>) -> Self {
        Self { path: path.to_owned(), from, buffer: Vec::new(), line: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line with its number, without its end; `None` after the last. Comments may be in
    /// any encoding: what is not UTF-8 is replaced.
    pub(super) fn next(&mut self) -> Result<Option<(u64, String)>, TraceError> {
        self.buffer.clear();
        let mut bounded = self.from.by_ref().take(MOST_LINE + 1);
        bounded
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| unreadable(&self.path, self.line, source))?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.len() as u64 > MOST_LINE {
            let path = self.path.clone();
            return Err(TraceError::LongLine { path, line: self.line, most: MOST_LINE });
        }
        let text = String::from_utf8_lossy(&self.buffer);
        Ok(Some((self.line, text.trim().to_owned())))
    }
}
