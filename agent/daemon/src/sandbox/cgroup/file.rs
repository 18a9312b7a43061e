//! The files of control groups: small texts, read and written whole.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::Error;

/// A file of counters that stays open, because it is read after each task: opening it costs more than
/// reading it.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    path: PathBuf,
}

impl Kept {
    /// Opens a file that is there.
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        let writable = fs::metadata(&path).is_ok_and(|found| !found.permissions().readonly());
        let file = File::options().read(true).write(writable).open(&path);
        Ok(Self { file: file.map_err(failed("opened", &path))?, path })
    }

    /// The number that it consists of.
    pub(super) fn number(&self) -> Option<u64> {
        // The kernel gives it whole at the first read.
        let mut digits = [0; 24];
        let read = self.file.read_at(&mut digits, 0).ok()?;
        std::str::from_utf8(digits.get(..read)?).ok()?.trim().parse().ok()
    }

    /// The numbers after words at the beginnings of lines.
    pub(super) fn entries<const N: usize>(&self, words: [&str; N]) -> [Option<u64>; N] {
        let text = self.text().unwrap_or_default();
        words.map(|word| find(&text, word))
    }

    /// Writes to it.
    pub(super) fn write(&self, text: &str) -> Result<(), Error> {
        self.file.write_all_at(text.as_bytes(), 0).map_err(failed("written", &self.path))
    }

    fn text(&self) -> Result<String, Error> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.file.read_at(&mut piece, bytes.len() as u64);
            match read.map_err(failed("read", &self.path))? {
                0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                read => bytes.extend_from_slice(&piece[..read]),
            }
        }
    }
}

/// What a file says, without the newline.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(path).map_err(failed("read", path))?;
    Ok(text.trim_end().to_owned())
}

/// Writes to a file that is there; never makes one.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let open = fs::OpenOptions::new().write(true).open(path);
    let written = open.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(failed("written", path))
}

/// The number that a file consists of; `None` if it is not there, or says `max`.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number after a word at the beginning of a line.
pub(super) fn entry(path: &Path, word: &str) -> Option<u64> {
    find(&fs::read_to_string(path).ok()?, word)
}

pub(super) fn find(text: &str, word: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        (words.next() == Some(word)).then(|| words.next()).flatten()?.parse().ok()
    })
}

/// The pids in a file such as `cgroup.procs`.
pub(super) fn pids(path: &Path) -> Result<Vec<i32>, Error> {
    let text = fs::read_to_string(path).map_err(failed("read", path))?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// Makes a folder; one that is there is no fault.
pub(super) fn make(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("made", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the folder of a group without processes; none is no fault.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removed", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the folder of a group that is not used after all. One that is left costs no more than its name.
pub(super) fn discard(path: &Path) {
    if let Err(error) = remove_all(path) {
        tracing::debug!(%error, "a control group that is not used is left");
    }
}

/// The pids in a group and in all groups below it.
pub(super) fn all_pids(folder: &Path) -> Result<Vec<i32>, Error> {
    let mut all = pids(&folder.join("cgroup.procs"))?;
    for below in folders(folder) {
        // One that is gone by now has none.
        all.extend(all_pids(&below).unwrap_or_default());
    }
    Ok(all)
}

/// Removes the folder of a group and those of all groups below it, none of which has processes.
pub(super) fn remove_all(path: &Path) -> Result<(), Error> {
    for below in folders(path) {
        remove_all(&below)?;
    }
    remove(path)
}

/// The folders directly in a folder.
pub(super) fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

pub(super) fn failed<'a>(verb: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |source| Error::File { verb, path: path.into(), source }
}

/// Sends a signal that ends the process, unless it is gone.
pub(super) fn kill(pid: i32) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 1) {
        // It may be gone by now. Its number was read just before, and numbers are given again only when all others
        // have been: that it is somebody else's by now is most unlikely, and not impossible.
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_whole_first_word() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";

        assert_eq!(find(text, "oom_kill"), Some(3));
        assert_eq!(find(text, "oom"), None);
        assert_eq!(find("", "oom_kill"), None);
    }

    #[test]
    fn a_write_never_makes_a_file() {
        let folder = tempfile::TempDir::new().unwrap();

        assert!(write(&folder.path().join("memory.max"), "1").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
