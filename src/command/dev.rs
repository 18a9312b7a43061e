//! `repower dev`: a cluster on this machine in one command.

use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::Look;
use crate::cluster::{Cluster, Plan};
use crate::failure::{Exit, Explain, Failure};
use crate::render::Screen;
use crate::render::quantity::count;

/// Options of `repower dev`.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Agents to start
    #[arg(long, value_name = "N", default_value_t = 1)]
    agents: usize,
    /// Processors that each agent says it has [default: all]
    #[arg(long, value_name = "N")]
    cpus: Option<u64>,
    /// Folder to keep everything in; one of an earlier run goes on [default: a temporary one,
    /// removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    look: Look,
}

/// The cluster cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
    #[error("cannot make a folder for it")]
    NoFolder { source: std::io::Error },
    #[error("cannot find this program's own file")]
    NoProgram { source: std::io::Error },
}

impl Explain for DevError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFolder { .. } => Some("name a new folder with --data".to_owned()),
            Self::NoProgram { .. } => None,
        }
    }
}

impl Dev {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Runs the cluster until Ctrl-C or SIGTERM.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let program = std::env::current_exe().map_err(|source| DevError::NoProgram { source })?;
        let temporary = match &self.data {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("repower-dev-").tempdir()),
        };
        let temporary = temporary.transpose().map_err(|source| DevError::NoFolder { source })?;
        let named = temporary.as_ref().map(|folder| folder.path().to_owned()).or(self.data);
        let folder = named.expect("one of the two is there");
        // Its processes run in folders of their own.
        let folder = std::path::absolute(folder).map_err(|source| DevError::NoFolder { source })?;
        let (agents, cpus) = (self.agents, self.cpus);
        let lease = Duration::from_secs(15);
        let more = toml::Table::new();
        let plan = Plan { program, folder, agents, cpus, no_exec: false, lease, more };
        let mut told = std::pin::pin!(told_to_end());
        let started = tokio::select! {
            started = Cluster::start(plan) => started?,
            () = &mut told => return Ok(Exit::INTERRUPTED),
        };
        screen.line(format_args!(
            "a scheduler and {} run; in another terminal:",
            count(agents as u64, "agent")
        ))?;
        screen
            .line(format_args!("  export REPOWER_PROFILE={}", started.profile_path().display()))?;
        screen.line("  repower submit --class data-processing --wait -- echo hello")?;
        screen.line("Ctrl-C ends them all")?;
        screen.flush()?;
        told.await;
        started.stop().await;
        Ok(Exit::OK)
    }
}

/// Is ready when a signal asks this process to end.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
