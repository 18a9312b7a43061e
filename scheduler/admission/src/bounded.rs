//! What a look may still cost.

use std::io::{self, Read};

use repower_model::{Mark, Sign};

use crate::files::Limits;

/// Marks of one file, before the heaviest are kept.
const MOST: usize = 4 * Mark::MOST;

/// What is left of the limits, and what was found.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    members: u64,
    /// Whether no more is looked at.
    pub(crate) is_spent: bool,
    marks: Vec<Mark>,
    /// How many bytes were looked at.
    pub(crate) looked: u64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (bytes, members) = (limits.bytes, limits.members);
        Self { bytes, members, is_spent: false, marks: Vec::new(), looked: 0 }
    }

    /// Takes bytes; false once there are none left.
    pub(crate) fn take(&mut self, bytes: usize, place: &str) -> bool {
        let bytes = bytes as u64;
        if self.is_spent || bytes > self.bytes {
            self.spent(place, "is larger, unpacked, than is looked at");
            return false;
        }
        self.bytes -= bytes;
        self.looked += bytes;
        true
    }

    /// Takes a file of an archive; false once there are none left.
    pub(crate) fn take_member(&mut self, place: &str) -> bool {
        if self.is_spent || self.members == 0 {
            self.spent(place, "has more files in it than are looked at");
            return false;
        }
        self.members -= 1;
        true
    }

    fn spent(&mut self, place: &str, why: &str) {
        if !self.is_spent {
            self.unread(place, why);
            self.is_spent = true;
        }
    }

    /// Something was not looked at.
    pub(crate) fn unread(&mut self, place: &str, why: &str) {
        self.mark(Sign::Unread, place, why.to_owned());
    }

    /// Something was found.
    pub(crate) fn mark(&mut self, sign: Sign, place: &str, detail: String) {
        if self.marks.len() >= MOST {
            self.trim();
        }
        self.marks.push(Mark { sign, place: place.to_owned(), detail });
    }

    fn trim(&mut self) {
        self.marks = Mark::heaviest(std::mem::take(&mut self.marks));
    }

    /// What was found, the heaviest first.
    pub(crate) fn into_marks(mut self) -> Vec<Mark> {
        self.trim();
        self.marks
    }
}

/// Reads until the buffer is full or the stream is over; returns how many bytes that were.
pub(crate) fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
