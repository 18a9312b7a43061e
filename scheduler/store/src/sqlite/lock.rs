//! The lock that makes a process the only writer of a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Holds the lock until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// A lock that was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// The process of this number has it; the number is missing if it could not be read.
    Held(Option<u32>),
    /// The lock file cannot be made.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock, or says at once who has it.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let mut lock = Self { file };
        note(&mut lock.file).map_err(LockError::Io)?;
        Ok(lock)
    }
}

impl Drop for Lock {
    /// Gives the lock back by name: a child that was just forked, and has not yet become another
    /// program, may hold the file open for a moment longer.
    fn drop(&mut self) {
        // Should this fail, closing the file gives the lock back too.
        drop(self.file.unlock());
    }
}

/// Writes the number of this process, for the message that another one gives.
fn note(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
