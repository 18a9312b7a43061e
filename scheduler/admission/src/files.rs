//! One file, and what is packed in it.

use std::fmt;
use std::io::{self, BufReader, Read};

use std::collections::BTreeSet;

use repower_model::{Hash, Mark};
use repower_patterns::Patterns;

use crate::bounded::{Budget, fill};
use crate::packed::{self, Packing};
use crate::rules::{Rules, Scan};
use crate::{plain, tar, zip};

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Constants and words, in all that is read.
    pub patterns: &'a Patterns,
    /// Digests of files that must not run, in archives; whoever brings a file alone knows its digest.
    pub digests: &'a BTreeSet<Hash>,
    /// Rules of the policy, in each file that is not packed; `None`: it has none.
    pub rules: Option<&'a Rules>,
}

impl<'a> From<&'a Patterns> for Sought<'a> {
    /// Without digests and rules.
    fn from(patterns: &'a Patterns) -> Self {
        static NONE: BTreeSet<Hash> = BTreeSet::new();
        Self { patterns, digests: &NONE, rules: None }
    }
}

/// What a look at one file may cost. Memory is bounded by the depth alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are looked at, unpacked, with all that is thrown away on the way.
    pub bytes: u64,
    /// Files in archives.
    pub members: u64,
    /// Archives in archives.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 30, members: 1_000_000, depth: 6 }
    }
}

/// What a look has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What was found, the heaviest first, at most [`Mark::MOST`]. Places begin inside the file: empty
    /// is the file itself.
    pub marks: Vec<Mark>,
    /// How many bytes were looked at, unpacked.
    pub bytes: u64,
}

/// Who looks, and what it may still cost.
pub(crate) struct Looker<'a> {
    pub(crate) sought: Sought<'a>,
    pub(crate) rules: Option<Scan<'a>>,
    pub(crate) budget: Budget,
    pub(crate) buffer: Vec<u8>,
    /// Asked now and then: whether to leave off.
    pub(crate) leave: &'a dyn Fn() -> bool,
    /// How many are being unpacked that take much memory.
    pub(crate) heavy: u32,
    most_deep: u32,
}

impl fmt::Debug for Looker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looker").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// Where a look is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// In words.
    pub(crate) place: &'a str,
    /// In how many archives.
    pub(crate) depth: u32,
    /// Whether it is marked as a program.
    pub(crate) executable: bool,
}

/// How many bytes at the beginning tell what a file is.
const HEAD: usize = 1024;
/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Looks at a file. `executable`: it is marked as a program; `leave` is asked now and then whether to
/// leave off.
///
/// # Errors
///
/// What reading `source` gave, or [`io::ErrorKind::ConnectionAborted`] if it was left off. A file that is not
/// what it pretends to be is no error: that is a mark.
pub fn files<'a>(
    sought: impl Into<Sought<'a>>,
    source: &mut dyn Read,
    executable: bool,
    limits: &Limits,
    leave: &'a dyn Fn() -> bool,
) -> io::Result<Looked> {
    let sought = sought.into();
    let mut looker = Looker {
        sought,
        rules: sought.rules.map(Scan::new),
        budget: Budget::new(limits),
        buffer: vec![0; PIECE],
        leave,
        heavy: 0,
        most_deep: limits.depth,
    };
    let mut source = Outer { source, fault: None };
    let spot = Spot { place: "", depth: 0, executable };
    let end = looker.look(&mut source, spot);
    if let Some(fault) = source.fault {
        return Err(fault);
    }
    end?;
    let bytes = looker.budget.looked;
    Ok(Looked { marks: looker.budget.into_marks(), bytes })
}

/// The stream from outside: its faults are told from those of what is packed in it.
struct Outer<'a> {
    source: &'a mut dyn Read,
    fault: Option<io::Error>,
}

impl Read for Outer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer).or_else(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return Err(error);
            }
            self.fault = Some(error);
            Ok(0)
        })
    }
}

/// What a file is, by its beginning.
enum Kind {
    Plain,
    Stream(Packing),
    Zip,
    Tar,
    /// Packed in a way that is not unpacked here.
    Packed(&'static str),
}

fn kind_of(head: &[u8]) -> Kind {
    const PACKED: [(&[u8], &str); 9] = [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x1f\x9d", "compress"),
        (b"LZIP", "lzip"),
        (b"\x89LZO\0\r\n\x1a\n", "lzop"),
        (b"hsqs", "squashfs"),
        (b"\xed\xab\xee\xdb", "rpm"),
        (b"!<arch>\ndebian-binary", "deb"),
    ];
    // Where the program that starts such an image ends.
    let is_sif = head.get(32..42) == Some(b"SIF_MAGIC\0");
    if let Some(packing) = Packing::of(head) {
        Kind::Stream(packing)
    } else if head.starts_with(b"PK\x03\x04") {
        Kind::Zip
    } else if tar::is_header(head) {
        Kind::Tar
    } else {
        let packed =
            PACKED.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
        let packed = packed.or(is_lzma(head).then_some("lzma")).or(is_sif.then_some("sif"));
        packed.map_or(Kind::Plain, Kind::Packed)
    }
}

/// The older of two formats: it has no magic, but few files begin with usual properties, a dictionary of 2^n or
/// 2^n + 2^(n-1) bytes, and a length that is unknown or below 2^40.
fn is_lzma(head: &[u8]) -> bool {
    let Some((&[0x5d, a, b, c, d], rest)) = head.split_first_chunk::<5>() else { return false };
    let Some(length) = rest.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return false;
    };
    let dictionary = u32::from_le_bytes([a, b, c, d]);
    dictionary >= 1 << 12
        && dictionary.count_ones() <= 2
        && dictionary.leading_zeros() + dictionary.count_ones() + dictionary.trailing_zeros() == 32
        && (length == u64::MAX || length < 1 << 40)
}

impl Looker<'_> {
    /// Looks at one file or one part of an archive, to its end if the budget allows.
    pub(crate) fn look(&mut self, source: &mut dyn Read, spot: Spot<'_>) -> io::Result<()> {
        let mut head = vec![0; HEAD];
        let length = fill(source, &mut head)?;
        head.truncate(length);
        let kind = kind_of(&head);
        let mut source = io::Cursor::new(&head[..]).chain(source);
        let is_packed = !matches!(kind, Kind::Plain);
        if is_packed && spot.depth >= self.most_deep {
            self.budget.unread(spot.place, "is packed deeper than is looked into");
            return self.drain(&mut source, spot);
        }
        let inside = Spot { depth: spot.depth + 1, ..spot };
        match kind {
            Kind::Plain => plain::look(self, &mut source, spot, &head),
            Kind::Stream(packing) => {
                packed::look(self, BufReader::with_capacity(PIECE, source), packing, inside)
            }
            Kind::Zip => zip::look(self, &mut BufReader::with_capacity(PIECE, source), inside),
            Kind::Tar => tar::look(self, &mut source, inside),
            Kind::Packed(name) => {
                let why = format!("is packed with {name}, which is not unpacked here");
                self.budget.unread(spot.place, &why);
                plain::look(self, &mut source, spot, &head)
            }
        }
    }

    /// Whether to go on.
    pub(crate) fn goes_on(&mut self, read: usize, place: &str) -> io::Result<bool> {
        if (self.leave)() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "left off"));
        }
        Ok(self.budget.take(read, place))
    }

    /// Reads to the end without looking.
    pub(crate) fn drain(&mut self, source: &mut dyn Read, spot: Spot<'_>) -> io::Result<()> {
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = fill(source, &mut buffer);
            self.buffer = buffer;
            let read = read?;
            if read == 0 || !self.goes_on(read, spot.place)? {
                return Ok(());
            }
        }
    }
}
