//! What lies between the parts of a zip: nobody who unpacks it sees it, and whoever knows where it lies
//! can cut it out.

use repower_patterns::{Patterns, Scan};

use crate::files::{Looker, Spot};
use crate::plain;

/// How much tells what it begins with.
const HEAD: usize = 28;
/// The longest record behind a part, about its length.
const DESCRIPTOR: u64 = 24;
/// Where records may begin: at once, or behind one about the length of the part.
const OFFSETS: [usize; 5] = [0, 12, 16, 20, 24];
/// Beginnings of the records of a directory.
const RECORDS: [[u8; 4]; 4] = [*b"PK\x01\x02", *b"PK\x06\x08", *b"PK\x06\x06", *b"PK\x05\x06"];

/// All of it, looked at together as one file that is not packed.
#[derive(Debug)]
pub(crate) struct Between<'a> {
    scan: Scan<'a>,
    length: u64,
    /// How much of it lies behind the part that was read last.
    behind: u64,
    head: Vec<u8>,
    /// Whether the part that was read last is named as a script, and does not say how long it is.
    may_be_script: bool,
    is_program: bool,
    /// Whether there is more of it than zips have there.
    is_strange: bool,
}

impl<'a> Between<'a> {
    pub(crate) fn new(patterns: &'a Patterns, spot: Spot<'_>) -> Self {
        Self {
            scan: patterns.scan(),
            length: 0,
            behind: 0,
            head: Vec::with_capacity(HEAD),
            may_be_script: false,
            is_program: spot.executable,
            is_strange: false,
        }
    }

    /// A part was announced; `ends`: it says how long it is.
    pub(crate) fn part(&mut self, place: &str, ends: bool) {
        self.may_be_script = !ends && plain::is_script(place);
    }

    /// Takes what is looked at beside: names and extra fields.
    pub(crate) fn beside(&mut self, bytes: &[u8]) {
        self.scan.feed(bytes);
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.scan.feed(bytes);
        self.behind += bytes.len() as u64;
        let wanted = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
    }

    /// The next part begins, or the file ends.
    pub(crate) fn ends(&mut self) {
        let is_long = self.behind > DESCRIPTOR + 4;
        let is_record = OFFSETS.iter().any(|at| {
            let here = self.head.get(*at..at + 4);
            here.is_some_and(|here| RECORDS.iter().any(|record| record == here))
        });
        let is_strange = is_long && !is_record;
        self.is_strange |= is_strange;
        self.is_program |= plain::begins_program(&self.head) || (is_strange && self.may_be_script);
        self.length += self.behind;
        self.behind = 0;
        self.head.clear();
    }

    /// Marks what was found.
    pub(crate) fn judge(mut self, looker: &mut Looker<'_>, spot: Spot<'_>) {
        self.ends();
        if self.is_strange {
            let why = "is a zip with bytes that belong to no part of it, and were not unpacked";
            looker.budget.unread(spot.place, why);
        }
        plain::judge(looker, spot, self.scan.hits(), self.is_program, self.length);
    }
}
