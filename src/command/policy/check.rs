//! `repower policy check`.

use std::path::PathBuf;

use super::{file, show};
use crate::arguments::Look;
use crate::failure::{Exit, Failure};
use crate::render::Screen;

/// Options of `repower policy check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Policy file
    file: PathBuf,
    #[command(flatten)]
    pub(super) look: Look,
}

impl Check {
    /// Shows what the file says, or what is wrong with it.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let rules = file::read(&self.file)?;
        show::page(screen, &rules, None)?;
        Ok(Exit::OK)
    }
}
