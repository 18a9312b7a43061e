//! What a run saves as it goes, so that a later one can go on with it.

use crate::run::{Course, Settings};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where a run saves its course, and how often.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    every: u32,
}

/// Why a run cannot go on with what was saved, or cannot save.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What was saved is no course.
    #[error("{} is no checkpoint of this program\n\n  hint: remove it, to begin anew", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: postcard::Error,
    },
    /// What was saved is of other settings.
    #[error("{} is of another simulation\n\n  hint: name another folder, or remove it", path.display())]
    Other { path: PathBuf },
}

impl Checkpoints {
    /// In a folder, after each so many steps.
    pub(crate) fn new(folder: &Path, every: u32) -> Self {
        Self { folder: folder.to_owned(), every }
    }

    /// Whether it is time to save.
    pub(crate) fn is_due(&self, done: u32) -> bool {
        done.is_multiple_of(self.every)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("argon.course")
    }

    /// What an earlier run of the same settings has saved, if any has.
    pub(crate) fn load(&self, settings: Settings) -> Result<Option<Course>, Failed> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Failed::File { what: "read", path, source }),
        };
        match postcard::from_bytes::<Course>(&bytes) {
            Ok(course) if course.settings == settings => Ok(Some(course)),
            Ok(_) => Err(Failed::Other { path }),
            Err(source) => Err(Failed::Unreadable { path, source }),
        }
    }

    /// Saves a course, whole or not at all: whoever is killed meanwhile leaves the one before.
    pub(crate) fn save(&self, course: &Course) -> Result<(), Failed> {
        let fresh = self.folder.join("argon.course.new");
        let bytes =
            postcard::to_stdvec(course).expect("memory takes all, and a course has no maps");
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, self.path())
        });
        written.map_err(|source| Failed::File { what: "write", path: fresh, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Claims;
    use crate::run;

    const SETTINGS: Settings =
        Settings { density: 0.5, temperature: 2.0, particles: 150, steps: 60, seed: 3 };

    /// Ends a run when it has told of so many saves.
    struct Killer(u32);

    impl Write for Killer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.starts_with(b"saved") {
                self.0 -= 1;
            }
            if self.0 == 0 { Err(io::Error::other("killed")) } else { Ok(bytes.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_run_that_is_ended_again_and_again_measures_the_same_to_the_last_bit() {
        let folder = tempfile::TempDir::new().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 700);
        let whole = run::run(SETTINGS, None, &mut Claims::new(None), &mut io::sink()).unwrap();

        for saves in [1, 2] {
            run::run(SETTINGS, Some(&checkpoints), &mut Claims::new(None), &mut Killer(saves))
                .unwrap_err();
        }
        let pieces =
            run::run(SETTINGS, Some(&checkpoints), &mut Claims::new(None), &mut io::sink())
                .unwrap();

        assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    }

    #[test]
    fn what_was_saved_of_another_simulation_is_not_gone_on_with() {
        let folder = tempfile::TempDir::new().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 1000);
        run::run(SETTINGS, Some(&checkpoints), &mut Claims::new(None), &mut Killer(1)).unwrap_err();

        let other = Settings { seed: 4, ..SETTINGS };
        let failed = run::run(other, Some(&checkpoints), &mut Claims::new(None), &mut io::sink())
            .unwrap_err();
        fs::write(folder.path().join("argon.course"), "nonsense").unwrap();
        let spoilt =
            run::run(SETTINGS, Some(&checkpoints), &mut Claims::new(None), &mut io::sink())
                .unwrap_err();

        assert!(failed.to_string().contains("is of another simulation"), "{failed}");
        assert!(spoilt.to_string().contains("is no checkpoint"), "{spoilt}");
    }
}
