//! Whether a file that begins as something else ends as a zip: such a file is both, and programs that
//! unpack zips begin at the end.

/// The record at the end of a zip without its comment.
const RECORD: usize = 22;
/// The longest record.
const LONGEST: usize = RECORD + 0xffff;
/// The smallest directory.
const SMALLEST: u64 = 46;
const SIGNATURE: [u8; 4] = *b"PK\x05\x06";

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// At most twice [`LONGEST`], of which the last count.
    bytes: Vec<u8>,
    length: u64,
}

impl Tail {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let last = &bytes[bytes.len().saturating_sub(LONGEST)..];
        if self.bytes.len() + last.len() > 2 * LONGEST {
            let old = (self.bytes.len() + last.len() - LONGEST).min(self.bytes.len());
            self.bytes.drain(..old);
        }
        self.bytes.extend_from_slice(last);
    }

    /// Whether a record close to the end closes a zip. What stands behind the record is nothing to those
    /// who unpack it, so it is nothing here.
    pub(crate) fn is_zip(&self) -> bool {
        let from = self.bytes.len().saturating_sub(LONGEST);
        let before = self.length - (self.bytes.len() - from) as u64;
        let records = self.bytes[from..].windows(RECORD).enumerate();
        let mut records = records.filter(|(_, record)| record.starts_with(&SIGNATURE));
        records.any(|(at, record)| {
            let size = u32::from_le_bytes([record[12], record[13], record[14], record[15]]);
            let is_before = (SMALLEST..=before + at as u64).contains(&u64::from(size));
            is_before || size == u32::MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a directory of so many bytes.
    fn record(size: u32, comment: u16) -> Vec<u8> {
        let mut record = [&SIGNATURE[..], &[0; 8], &size.to_le_bytes(), &[0; 4]].concat();
        record.extend(comment.to_le_bytes());
        record.extend(vec![b'c'; comment.into()]);
        record
    }

    fn is_zip(pieces: &[&[u8]]) -> bool {
        let mut tail = Tail::default();
        for piece in pieces {
            tail.feed(piece);
        }
        tail.is_zip()
    }

    #[test]
    fn a_record_at_the_end_is_found_however_long_its_comment_is_and_however_it_comes() {
        let directory = [1; 46];
        for comment in [0, 1, 500, 0xffff] {
            let record = record(46, comment);
            let (one, other) = record.split_at(10);
            let long = vec![7; 3 * LONGEST];

            assert!(is_zip(&[&directory, &record]), "{comment}");
            assert!(is_zip(&[&long, one, other]), "{comment}");
            assert!(!is_zip(&[&record]), "it has no directory");
        }
        assert!(is_zip(&[&directory, &record(46, 0), b"more behind it"]));
        assert!(is_zip(&[&record(u32::MAX, 0)]), "the length of a large one stands elsewhere");
        assert!(!is_zip(&[&directory, &record(0, 0)]), "an empty zip hides nothing");
        assert!(!is_zip(&[&directory, &SIGNATURE]) && !is_zip(&[]));
    }
}
