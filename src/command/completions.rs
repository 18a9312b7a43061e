//! `repower completions` and `repower man`.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::{Arguments, Look};
use crate::failure::{Exit, Explain, Failure};
use crate::render::Screen;

/// Options of `repower completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For example:
  cd ~/.local/share/bash-completion/completions
  repower completions bash > repower")]
pub struct Completions {
    /// Shell to write them for
    shell: Shell,
}

/// Options of `repower man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Folder to write a page for each command into [default: the main page, on standard output]
    folder: Option<PathBuf>,
    #[command(flatten)]
    pub(super) look: Look,
}

/// The pages cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}", path = path.display())]
struct PageError {
    path: PathBuf,
    source: io::Error,
}

impl Explain for PageError {
    fn hint(&self) -> Option<String> {
        Some("check that the folder exists and that you may write there".to_owned())
    }
}

impl Completions {
    /// Writes the completions.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "repower", &mut text);
        screen.bytes(&text)?;
        Ok(Exit::OK)
    }
}

impl Man {
    /// Writes one page or all.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let command = Arguments::command();
        let Some(folder) = self.folder else {
            let mut text = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut text)
                .map_err(|source| PageError { path: "the page".into(), source })?;
            screen.bytes(&text)?;
            return Ok(Exit::OK);
        };
        clap_mangen::generate_to(command, &folder)
            .map_err(|source| PageError { path: folder.clone(), source })?;
        screen.note(format_args!("wrote the pages to {}", folder.display()));
        Ok(Exit::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::pages;

    #[test]
    fn there_is_a_manual_page_for_every_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let man = Man { folder: Some(folder.path().to_owned()), look: Look::default() };

        let (_, _, ended) = pages(Form::Table, |screen| man.run(screen));

        ended.expect("written");
        for page in ["repower.1", "repower-submit.1", "repower-ledger-verify.1"] {
            assert!(folder.path().join(page).is_file(), "{page}");
        }
    }

    #[test]
    fn pages_that_cannot_be_written_are_an_error_with_the_place() {
        let man = Man { folder: Some("/dev/null/none".into()), look: Look::default() };

        let (_, _, ended) = pages(Form::Table, |screen| man.run(screen));

        assert_eq!(ended.expect_err("not a folder").message(), "cannot write /dev/null/none");
    }

    #[test]
    fn completions_know_the_commands() {
        let (out, _, _) =
            pages(Form::Table, |screen| Completions { shell: Shell::Bash }.run(screen));

        assert!(out.contains("resubmit") && out.contains("--time-limit"));
    }
}
