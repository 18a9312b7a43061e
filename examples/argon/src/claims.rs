//! Telling Repower how far the run is: one line in a file that every task is given.

use std::io::{self, Write};
use std::path::PathBuf;

/// A run tells so often at the most.
const TIMES: u32 = 200;

/// Where it is told how far the run is.
#[derive(Debug)]
pub(crate) struct Claims {
    file: Option<PathBuf>,
}

impl Claims {
    /// In this file, if there is one.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Tells that so many steps are done of all, now and then. Where it cannot be told it is not, and `log` hears why,
    /// once: the run matters more.
    pub(crate) fn tell(&mut self, done: u32, all: u32, log: &mut impl Write) -> io::Result<()> {
        if done != all && !done.is_multiple_of(all.div_ceil(TIMES)) {
            return Ok(());
        }
        let Some(file) = &self.file else { return Ok(()) };
        if let Err(error) = std::fs::write(file, format!("step={done}/{all}\n")) {
            writeln!(log, "cannot tell how far it is in {}: {error}", file.display())?;
            self.file = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_step_stands_in_the_file_and_a_folder_that_is_gone_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("said");
        let (mut claims, mut log) = (Claims::new(Some(path.clone())), Vec::new());

        for done in 1..=500 {
            claims.tell(done, 1000, &mut log).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "step=500/1000\n");

        drop(folder);
        for done in 501..=1000 {
            claims.tell(done, 1000, &mut log).unwrap();
        }
        let log = String::from_utf8(log).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
    }
}
