//! Output of several tasks, line by line, so that no two tasks share one.

use std::collections::BTreeMap;

use repower_proto::v1::{LogChunk, LogPosition, Stream};

use super::screen::{OutputError, Screen};

/// The longest part of a line that is held back until its end comes, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where each stream of each attempt is.
#[derive(Debug)]
pub struct Lines {
    job: u64,
    prefixed: bool,
    /// Bytes printed, by task, attempt, rank and stream: what comes again after a break is left out.
    printed: BTreeMap<(u32, u32, Option<u32>, i32), u64>,
    /// Beginnings of lines whose end has not come, by task, rank and stream.
    open: BTreeMap<(u32, Option<u32>, i32), Vec<u8>>,
}

impl Lines {
    /// Prints as it comes, or with `12.3 | ` before each line if `prefixed`; of a gang with its rank:
    /// `12.3/1 | `.
    pub fn new(job: u64, prefixed: bool) -> Self {
        Self { job, prefixed, printed: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// Returns the part of a piece that has not been seen.
    #[must_use]
    pub fn fresh(&mut self, mut chunk: LogChunk) -> LogChunk {
        let place = (chunk.index, chunk.attempt, chunk.rank, chunk.stream);
        let printed = self.printed.entry(place).or_default();
        if *printed > chunk.offset.saturating_sub(chunk.missing) {
            chunk.missing = chunk.offset.saturating_sub(*printed);
        }
        let known = usize::try_from(printed.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let known = known.min(chunk.data.len());
        chunk.data.drain(..known);
        chunk.offset += known as u64;
        *printed = (*printed).max(chunk.offset + chunk.data.len() as u64);
        chunk
    }

    /// How much of each stream has been seen, at most of so many; those of the highest tasks.
    pub fn positions(&self, most: usize) -> Vec<LogPosition> {
        let position = |(place, offset): (&(u32, u32, Option<u32>, i32), &u64)| LogPosition {
            index: place.0,
            attempt: place.1,
            rank: place.2.unwrap_or_default(),
            stream: place.3,
            offset: *offset,
        };
        self.printed.iter().rev().take(most).map(position).collect()
    }

    /// Prints a piece; with prefixes, only whole lines of it.
    pub fn write(&mut self, screen: &mut Screen, chunk: &LogChunk) -> Result<(), OutputError> {
        if !self.prefixed {
            return put(screen, chunk.stream(), &chunk.data);
        }
        let who = (chunk.index, chunk.rank);
        let open = self.open.entry((chunk.index, chunk.rank, chunk.stream)).or_default();
        for part in chunk.data.split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(part);
            if part.ends_with(b"\n") || open.len() >= LONGEST {
                line(screen, self.job, who, chunk.stream(), open)?;
                open.clear();
            }
        }
        Ok(())
    }

    /// Prints the lines whose end never came.
    pub fn end(&mut self, screen: &mut Screen) -> Result<(), OutputError> {
        for ((index, rank, stream), open) in std::mem::take(&mut self.open) {
            if !open.is_empty() {
                let stream = Stream::try_from(stream).unwrap_or_default();
                line(screen, self.job, (index, rank), stream, &open)?;
            }
        }
        screen.flush()
    }
}

fn line(
    screen: &mut Screen,
    job: u64,
    (index, rank): (u32, Option<u32>),
    stream: Stream,
    text: &[u8],
) -> Result<(), OutputError> {
    let rank = rank.map(|rank| format!("/{rank}")).unwrap_or_default();
    let mut whole = format!("{job}.{index}{rank} | ").into_bytes();
    whole.extend_from_slice(text);
    if !whole.ends_with(b"\n") {
        whole.push(b'\n');
    }
    put(screen, stream, &whole)
}

fn put(screen: &mut Screen, stream: Stream, bytes: &[u8]) -> Result<(), OutputError> {
    match stream {
        Stream::Stderr => {
            // What was printed before must be seen before.
            screen.flush()?;
            screen.err_bytes(bytes);
            Ok(())
        }
        Stream::Stdout | Stream::Unspecified => screen.bytes(bytes),
    }
}
