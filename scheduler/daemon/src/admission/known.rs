//! What was found in files, by digest: in memory, and in a file so that it is known after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use repower_admission::VERSION;
use repower_model::{Hash, Mark};

use crate::Error;

/// How many are remembered; the oldest go first.
const MOST: usize = 50_000;
/// The largest file that is read back; a line has a few hundred bytes, most have fewer.
const LARGEST: u64 = 256 << 20;

/// A file, and whether it was marked as a program.
type Key = (Hash, bool);

/// What was found in files.
#[derive(Debug)]
pub(super) struct Known {
    path: PathBuf,
    /// With the list of digests that was looked for; another list is another look.
    marks: BTreeMap<Key, (Hash, Vec<Mark>)>,
    order: VecDeque<Key>,
    file: Option<File>,
}

impl Known {
    /// Reads what was found before. Lines of another version of the look, and lines that a crash has
    /// cut off, are left out: their files are looked at again.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let fault = |what| move |source| Error::File { what, path: path.to_owned(), source };
        let (marks, order) = (BTreeMap::new(), VecDeque::new());
        let mut known = Self { path: path.to_owned(), marks, order, file: None };
        match File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file.take(LARGEST)).split(b'\n') {
                    let line = line.map_err(fault("read"))?;
                    let line = std::str::from_utf8(&line).ok().and_then(parse);
                    if let Some((key, list, marks)) = line {
                        known.remember(key, list, marks);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault("open")(error)),
        }
        known.rewrite().map_err(fault("write"))?;
        Ok(known)
    }

    /// What was found in a file; `None` if nobody has looked for this list of digests.
    pub(super) fn get(&self, digest: Hash, executable: bool, list: Hash) -> Option<Vec<Mark>> {
        let (known, marks) = self.marks.get(&(digest, executable))?;
        (*known == list).then(|| marks.clone())
    }

    /// Remembers what was found in a file.
    pub(super) fn insert(
        &mut self,
        digest: Hash,
        executable: bool,
        list: Hash,
        marks: &[Mark],
    ) -> io::Result<()> {
        let key = (digest, executable);
        self.remember(key, list, marks.to_vec());
        let line = line(key, list, marks)?;
        match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()),
            None => self.rewrite(),
        }
    }

    fn remember(&mut self, key: Key, list: Hash, marks: Vec<Mark>) {
        if self.marks.insert(key, (list, marks)).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }

    /// Writes all of it anew, and goes on from there.
    fn rewrite(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        for key in &self.order {
            let (list, marks) = &self.marks[key];
            file.write_all(line(*key, *list, marks)?.as_bytes())?;
        }
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        Ok(())
    }
}

fn line((digest, executable): Key, list: Hash, marks: &[Mark]) -> io::Result<String> {
    let marks = postcard::to_stdvec(marks).map_err(io::Error::other)?;
    let mut line = format!("{VERSION} {digest} {} {list} ", u8::from(executable));
    for byte in marks {
        write!(line, "{byte:02x}").map_err(io::Error::other)?;
    }
    line.push_str(".\n");
    Ok(line)
}

fn parse(line: &str) -> Option<(Key, Hash, Vec<Mark>)> {
    let mut words = line.strip_suffix('.')?.split(' ');
    if words.next()?.parse::<u32>().ok()? != VERSION {
        return None;
    }
    let digest = Hash::from_hex(words.next()?)?;
    let executable = match words.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let list = Hash::from_hex(words.next()?)?;
    let hex = words.next()?;
    if words.next().is_some() {
        return None;
    }
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let marks = postcard::from_bytes(&bytes?).ok()?;
    Some(((digest, executable), list, marks))
}

#[cfg(test)]
mod tests {
    use repower_model::Sign;

    use super::*;

    #[test]
    fn what_was_found_is_known_after_a_restart_but_for_a_line_that_was_cut_off() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("looked");
        let marks = vec![Mark {
            sign: Sign::PoolClient,
            place: "bin/x".into(),
            detail: "has 2 words".into(),
        }];
        let mut known = Known::open(&path).unwrap();
        let list = Hash([9; 32]);
        known.insert(Hash([1; 32]), true, list, &marks).unwrap();
        known.insert(Hash([2; 32]), false, list, &[]).unwrap();
        drop(known);
        let text = std::fs::read_to_string(&path).unwrap();
        let cut = format!("{text}{}", &text[..text.len() / 3]);
        let cut = cut.replace(&format!("{VERSION} 02"), "0 02");
        let more = format!("{VERSION} {} 1 {list} 00 and more.\n", Hash([3; 32]));
        std::fs::write(&path, more + &cut).unwrap();

        let known = Known::open(&path).unwrap();

        assert_eq!(known.get(Hash([1; 32]), true, list), Some(marks));
        assert_eq!(known.get(Hash([1; 32]), true, Hash([8; 32])), None, "for another list");
        assert_eq!(known.get(Hash([1; 32]), false, list), None, "as data it was not looked at");
        assert_eq!(known.get(Hash([2; 32]), false, list), None, "another version looked at it");
        assert_eq!(known.get(Hash([3; 32]), true, list), None, "that line is not one of ours");
    }
}
