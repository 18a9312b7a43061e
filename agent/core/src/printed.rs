//! One output stream of an attempt: its beginning goes out as it comes, the rest through a window of the latest.

use std::collections::VecDeque;

/// How much one stream has carried, and what of it has still to go out.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// Bytes that the task wrote.
    all: u64,
    /// How many of them lie before the end of what has gone out.
    passed: u64,
    /// Bytes that never go out, because too much came at once.
    lost: u64,
    /// The latest bytes that have not gone out; what it could not hold is lost.
    window: VecDeque<u8>,
    /// Whether the beginning is full, so that there is a window.
    windowed: bool,
}

/// What is in a window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Latest<'a> {
    /// Where in the stream it begins.
    pub(crate) offset: u64,
    /// How many bytes before it never went out.
    pub(crate) missing: u64,
    /// The bytes, in two parts.
    pub(crate) bytes: (&'a [u8], &'a [u8]),
}

impl Printed {
    /// How many bytes the task wrote.
    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    /// Whether some of them will not be found again where the store keeps `bound` bytes.
    pub(crate) fn is_cut(&self, bound: u64) -> bool {
        self.lost > 0 || self.all > bound
    }

    /// Whether its latest bytes are held in a window.
    pub(crate) fn is_windowed(&self) -> bool {
        self.windowed
    }

    /// Counts what was printed; returns what of it goes out at once, being of the first `head` bytes, and where
    /// in the stream that begins. The rest goes through the window, of at most `room` bytes.
    pub(crate) fn take<'a>(&mut self, data: &'a [u8], head: u64, room: usize) -> (u64, &'a [u8]) {
        let offset = self.all;
        let first = usize::try_from(head.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (now, later) = data.split_at(first.min(data.len()));
        self.all += data.len() as u64;
        self.passed += now.len() as u64;
        if !later.is_empty() {
            self.windowed = true;
            self.hold(later, room);
        }
        (offset, now)
    }

    fn hold(&mut self, later: &[u8], room: usize) {
        let kept = &later[later.len().saturating_sub(room)..];
        let over = (self.window.len() + kept.len()).saturating_sub(room);
        self.window.drain(..over);
        self.window.extend(kept);
    }

    /// What waits in the window; `None`: nothing.
    pub(crate) fn latest(&mut self) -> Option<Latest<'_>> {
        if self.window.is_empty() {
            return None;
        }
        let offset = self.all - self.window.len() as u64;
        let missing = offset - self.passed;
        Some(Latest { offset, missing, bytes: self.window.as_slices() })
    }

    /// The window has gone out.
    pub(crate) fn went_out(&mut self) {
        self.lost += (self.all - self.window.len() as u64) - self.passed;
        self.passed = self.all;
        self.window.clear();
    }

    /// So many bytes that went out were dropped on their way.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// Gives the window's memory back: nothing more comes.
    pub(crate) fn close(&mut self) {
        self.lost += self.all - self.passed;
        self.passed = self.all;
        self.window = VecDeque::new();
        self.windowed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(printed: &mut Printed) -> Option<(u64, u64, Vec<u8>)> {
        let latest = printed.latest()?;
        let bytes = [latest.bytes.0, latest.bytes.1].concat();
        Some((latest.offset, latest.missing, bytes))
    }

    #[test]
    fn the_beginning_goes_out_at_once_and_the_rest_through_the_window() {
        let mut printed = Printed::default();

        assert_eq!(printed.take(b"abcd", 6, 4), (0, &b"abcd"[..]));
        assert_eq!(window(&mut printed), None);
        assert_eq!(printed.take(b"efgh", 6, 4), (4, &b"ef"[..]));

        assert_eq!(window(&mut printed), Some((6, 0, b"gh".to_vec())));
        printed.went_out();
        assert_eq!(window(&mut printed), None);
        assert!(!printed.is_cut(8) && printed.is_cut(7));
    }

    #[test]
    fn a_window_holds_the_latest_and_says_how_much_is_missing_before() {
        let mut printed = Printed::default();
        printed.take(b"ab", 2, 4);

        for part in [&b"cdef"[..], b"gh", b"ijklmnopq"] {
            assert_eq!(printed.take(part, 2, 4).1, b"");
        }

        assert_eq!(window(&mut printed), Some((13, 11, b"nopq".to_vec())));
        printed.went_out();
        printed.take(b"r", 2, 4);
        assert_eq!(window(&mut printed), Some((17, 0, b"r".to_vec())));
        assert!(printed.is_cut(1000));
    }

    #[test]
    fn without_room_nothing_goes_out_and_all_is_counted() {
        let mut printed = Printed::default();

        assert_eq!(printed.take(b"words", 0, 0), (0, &b""[..]));
        assert_eq!(window(&mut printed), None);
        printed.close();

        assert_eq!((printed.all(), printed.is_cut(1000)), (5, true));
    }
}
