//! One file of claims, read as far as it has not been.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use repower_agent_core::Claims;
use repower_model::{Progress, Timestamp};
use repower_proto::v1;
use rustix::fs::{Mode, OFlags};

use crate::tasks::relay::LinkId;

/// Its name, in the folder of the attempt.
pub(crate) const FILE: &str = ".repower-progress";
/// The variable that tells the task where it is.
pub(in crate::tasks) const VARIABLE: &str = "REPOWER_PROGRESS";

/// The most that is read of it in one look.
const CHUNK: u64 = 16 << 10;
/// How much of what was read before is compared with what is there now.
const ANCHOR: usize = 64;

/// What one process has said in its file.
#[derive(Debug)]
pub(in crate::tasks) struct Book {
    path: PathBuf,
    seen: Option<Seen>,
    claims: Claims,
    /// To which link the latest of it was told.
    told: Option<LinkId>,
}

/// The file as it was at the last look.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// How far it was read.
    read: u64,
    /// What stands before that.
    anchor: Vec<u8>,
}

/// What tells a file that was written to from one that was not. Whoever writes can set all times but this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Why the file cannot be read. Counts as a line that is no claim.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{FILE} is not a regular file")]
    Kind,
    #[error("{FILE} cannot be read: {source}")]
    Io { source: io::Error },
}

impl From<io::Error> for Unread {
    fn from(source: io::Error) -> Self {
        Self::Io { source }
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self { inode: found.ino(), size: found.len(), changed: (found.ctime(), found.ctime_nsec()) }
    }
}

impl Seen {
    /// Whether the file is the same, with more at its end or nothing new.
    fn goes_on(&self, file: &File, stamp: Stamp) -> io::Result<bool> {
        if self.stamp.inode != stamp.inode || stamp.size < self.read {
            return Ok(false);
        }
        // Of the same length, and yet written: what was said is said again.
        if self.stamp != stamp && stamp.size == self.read && stamp.size <= CHUNK {
            return Ok(false);
        }
        let mut there = vec![0; self.anchor.len()];
        let at = self.read - self.anchor.len() as u64;
        let count = read_at(file, &mut there, at)?;
        Ok(count == there.len() && there == self.anchor)
    }
}

impl Book {
    /// That of a process with this folder.
    pub(in crate::tasks) fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE), seen: None, claims: Claims::default(), told: None }
    }

    /// All that was said so far.
    pub(super) fn progress(&self) -> Option<&Progress> {
        self.claims.progress()
    }

    /// How often it was said that it got further; `None`: nothing was said.
    pub(super) fn changes(&self) -> Option<u64> {
        self.claims.progress().map(|_| self.claims.changes())
    }

    /// What this link has not been told; it is taken to be told now.
    pub(super) fn news(&mut self, link: LinkId) -> Option<v1::Progress> {
        let progress = self.claims.progress().filter(|_| self.told != Some(link))?;
        self.told = Some(link);
        Some(progress.into())
    }

    /// Looks whether there is something new. The `last` look also looks at what seems to be as it was, and takes a
    /// line without an end.
    pub(super) fn look(&mut self, now: Timestamp, last: bool) {
        let Ok(found) = fs::symlink_metadata(&self.path) else {
            if self.seen.take().is_some() {
                self.claims.anew();
            }
            return;
        };
        let stamp = Stamp::from(&found);
        let is_same = self.seen.as_ref().is_some_and(|seen| seen.stamp == stamp);
        if is_same && !last && !self.claims.has_rest() {
            return;
        }
        let before = self.claims.progress().cloned();
        if (!is_same || last)
            && let Err(unread) = self.read(&found, now)
        {
            self.claims.anew();
            if !is_same {
                self.claims.mistaken(unread.to_string(), now);
            }
            self.seen = Some(Seen { stamp, read: 0, anchor: Vec::new() });
        }
        if is_same || last {
            self.claims.settle(now);
        }
        if before.as_ref() != self.claims.progress() {
            self.told = None;
        }
    }

    fn read(&mut self, found: &Metadata, now: Timestamp) -> Result<(), Unread> {
        if !found.is_file() {
            return Err(Unread::Kind);
        }
        // What it is may have changed since: whatever it is, opening it neither waits nor does anything.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(io::Error::from)?;
        let file = File::from(file);
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(Unread::Kind);
        }
        let stamp = Stamp::from(&opened);
        let (mut from, mut anchor) = (0, Vec::new());
        match self.seen.take() {
            Some(seen) if seen.goes_on(&file, stamp)? => (from, anchor) = (seen.read, seen.anchor),
            Some(_) | None => self.claims.anew(),
        }
        let latest = stamp.size.saturating_sub(CHUNK);
        if latest > from {
            self.claims.gap();
            anchor.clear();
            from = latest;
        }
        let length = usize::try_from(stamp.size - from).unwrap_or_default();
        let mut data = vec![0; length];
        let count = read_at(&file, &mut data, from)?;
        data.truncate(count);
        self.claims.read(&data, now);
        let read = from + data.len() as u64;
        anchor.extend_from_slice(&data[data.len().saturating_sub(ANCHOR)..]);
        anchor.drain(..anchor.len().saturating_sub(ANCHOR));
        self.seen = Some(Seen { stamp, read, anchor });
        Ok(())
    }
}

/// Reads as much as there is.
fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], from + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;

    struct Desk {
        folder: tempfile::TempDir,
        book: Book,
        now: i64,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::TempDir::new().unwrap();
            let book = Book::new(folder.path());
            Self { folder, book, now: 0 }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join(FILE)
        }

        fn append(&self, text: &str) {
            let file = OpenOptions::new().append(true).create(true).open(self.path());
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        /// Replaces what is there, at another time than before by the clock of the file system.
        fn replace(&self, text: &str) {
            let changed = || fs::metadata(self.path()).map(|found| Stamp::from(&found).changed);
            let before = changed().ok();
            while {
                fs::write(self.path(), text).unwrap();
                changed().ok() == before
            } {}
        }

        fn look(&mut self) -> String {
            self.look_as(false)
        }

        fn look_as(&mut self, last: bool) -> String {
            self.now += 1;
            self.book.look(Timestamp::from_millis(self.now), last);
            let claim = self.book.progress().and_then(|progress| progress.claim.as_ref());
            claim.map(ToString::to_string).unwrap_or_default()
        }

        fn bad(&self) -> (u64, u64, String) {
            let progress = self.book.progress().unwrap();
            (progress.lines, progress.bad_lines, progress.mistake.clone())
        }
    }

    #[test]
    fn lines_that_are_added_are_read_once_and_the_latest_counts() {
        let mut desk = Desk::new();
        assert_eq!(desk.look(), "");

        desk.append("0.1\nwhat?\n");
        assert_eq!(desk.look(), "0.1");
        assert_eq!(desk.look(), "0.1");
        desk.append("0.2\n0.3 st");
        assert_eq!(desk.look(), "0.2");
        desk.append("ep=7\n");
        assert_eq!(desk.look(), "0.3 step=7");

        let (lines, bad, _) = desk.bad();
        assert_eq!((lines, bad), (4, 1));
    }

    #[test]
    fn a_file_that_is_written_anew_is_read_anew_whatever_its_length() {
        let mut desk = Desk::new();
        for (text, claim) in [
            ("0.41 step=1\n", "0.41 step=1"),
            ("0.42 step=1\n", "0.42 step=1"),
            ("0.5\n", "0.5"),
            ("0.55 step=1234\n", "0.55 step=1234"),
            ("", "0.55 step=1234"),
            ("0.6\n", "0.6"),
        ] {
            desk.replace(text);
            assert_eq!(desk.look(), claim, "{text:?}");
        }
        assert_eq!(desk.bad().1, 0);

        // A new file in its place, as whoever writes carefully makes one.
        let other = desk.folder.path().join("other");
        fs::write(&other, "0.7\n").unwrap();
        fs::rename(&other, desk.path()).unwrap();
        assert_eq!(desk.look(), "0.7");
        fs::remove_file(desk.path()).unwrap();
        assert_eq!(desk.look(), "0.7");
    }

    #[test]
    fn the_same_said_again_is_a_sign_of_life() {
        let mut desk = Desk::new();
        desk.replace("0.5\n");
        desk.look();
        desk.replace("0.5\n");
        desk.look();

        let progress = desk.book.progress().unwrap();
        assert_eq!((progress.said.as_millis(), progress.changed.as_millis()), (2, 1));
    }

    #[test]
    fn a_line_without_an_end_counts_when_nothing_follows() {
        let mut desk = Desk::new();
        desk.replace("0.5");
        assert_eq!(desk.look(), "");
        assert_eq!(desk.look(), "0.5");

        desk.replace("0.75");
        assert_eq!(desk.look_as(true), "0.75");
    }

    #[test]
    fn of_a_flood_only_the_end_is_read() {
        let mut desk = Desk::new();
        desk.append(&"0.1 step=1\n".repeat(1_000_000));
        desk.append("0.2 step=2\n");

        assert_eq!(desk.look(), "0.2 step=2");
        desk.append(&"0.3\n".repeat(1_000_000));
        assert_eq!(desk.look(), "0.3");

        let (lines, bad, _) = desk.bad();
        assert!(lines <= 2 * CHUNK / 4 && bad == 0, "{lines} {bad}");
    }

    #[test]
    fn garbage_and_what_is_no_file_are_told_once_and_nothing_is_waited_for() {
        let mut desk = Desk::new();
        fs::write(desk.path(), vec![0xff; 5 << 20]).unwrap();
        desk.look();
        assert_eq!(desk.book.progress(), None);
        fs::remove_file(desk.path()).unwrap();

        rustix::fs::mkfifoat(rustix::fs::CWD, desk.path(), Mode::RWXU).unwrap();
        desk.look();
        desk.look();
        assert_eq!(desk.bad(), (1, 1, ".repower-progress is not a regular file".into()));
        fs::remove_file(desk.path()).unwrap();
        std::os::unix::fs::symlink("/dev/zero", desk.path()).unwrap();
        desk.look();
        assert_eq!(desk.bad().1, 2);
        fs::remove_file(desk.path()).unwrap();
        fs::create_dir(desk.path()).unwrap();
        desk.look();
        assert_eq!(desk.bad().1, 3);
        fs::remove_dir(desk.path()).unwrap();
        // A hole of a terabyte takes no longer than anything else.
        File::create(desk.path()).unwrap().set_len(1 << 40).unwrap();
        desk.look();
        desk.append("\n0.5\n");
        assert_eq!(desk.look(), "0.5");
    }

    #[test]
    fn a_link_is_told_what_it_has_not_heard_and_each_thing_once() {
        let mut desk = Desk::new();
        desk.append("0.1\n");
        desk.look();

        let [one, two] = [1, 2].map(LinkId::of_first);
        assert!(desk.book.news(one).is_some() && desk.book.news(one).is_none());
        assert!(desk.book.news(two).is_some() && desk.book.news(two).is_none());
        desk.look();
        assert!(desk.book.news(two).is_none());
        desk.append("0.1\n");
        desk.look();
        assert!(desk.book.news(two).is_some());
        assert_eq!(desk.book.changes(), Some(1));
    }
}
