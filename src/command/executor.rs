//! `repower executor`: the process beside an agent that is the parent of its tasks. Agents start it.

use std::path::PathBuf;

use super::daemon;
use crate::failure::{Exit, Failure};

/// Options of `repower executor`.
#[derive(Debug, clap::Args)]
pub struct Executor {
    /// The agent's data folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// What to log: error, warn, info, debug, or a filter
    #[arg(long, value_name = "FILTER", env = "REPOWER_LOG", default_value = "info")]
    log: String,
}

impl Executor {
    /// Runs the executor, on this first thread of the process, until nobody needs it.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        daemon::log(&self.log)?;
        repower_agent::execute(&self.data, std::io::stdin())?;
        Ok(Exit::OK)
    }
}
