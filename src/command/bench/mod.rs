//! `repower bench`: what this machine does, beside what it could do without Repower.
//!
//! Each benchmark starts a cluster of its own in a temporary folder, over the path that every cell
//! uses, and measures a baseline in the same run: machines differ, ratios count.

mod dispatch;
mod figures;
mod files;
mod idle;
mod load;
mod output;
mod plan;
mod recover;
mod spawn;
mod start;
mod submit;

use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::Look;
use crate::cluster::{Cluster, Plan};
use crate::failure::{Exit, Explain, Failure};
use crate::render::Screen;

/// Options of `repower bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tasks of `true`, from submission to the end of the last
    Dispatch(dispatch::Dispatch),
    /// Durable submissions: single calls, from the command line, and arrays
    Submit(submit::Submit),
    /// From a submission to the start of its process
    Start(start::Start),
    /// A scheduler that is killed with many jobs queued, and started again
    Recover(recover::Recover),
    /// What a scheduler and an agent cost when nothing happens
    Idle(idle::Idle),
    /// A task that prints a gigabyte, and what others notice of it
    Output(output::Output),
    /// Processes alone: what each feature of isolation costs, beside a bare `posix_spawn`
    Spawn(spawn::Spawn),
    /// Files into the store and out of it, beside cp and curl
    Files(files::Files),
    /// The engine alone: passes, submissions and answers as the queue grows
    Plan(plan::Plan),
}

/// Options of all benchmarks.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    /// Keep the cluster in this folder, and do not remove it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    look: Look,
}

/// A benchmark that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No folder to work in.
    #[error("cannot make a temporary folder")]
    NoFolder {
        /// Why.
        source: std::io::Error,
    },
    /// This program cannot be found again.
    #[error("cannot find this program's own file")]
    NoProgram {
        /// Why.
        source: std::io::Error,
    },
    /// A process of the baseline could not be launched.
    #[error("cannot launch {program}")]
    NotLaunched {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("cannot read or write {path}")]
    NotWritten {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The cluster did something else than it was asked for.
    #[error("{what}: {found}, but {wanted} were expected")]
    Wrong {
        /// What was counted.
        what: &'static str,
        /// How many there were.
        found: u64,
        /// How many there should be.
        wanted: u64,
    },
    /// A command ended otherwise than it should.
    #[error("`{command}` failed: {said}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// What the kernel says about a process could not be read.
    #[error("cannot read {path}")]
    NotRead {
        /// Which file.
        path: String,
    },
}

impl Explain for BenchError {}

impl Bench {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        match &self.what {
            What::Dispatch(one) => &one.common.look,
            What::Submit(one) => &one.common.look,
            What::Start(one) => &one.common.look,
            What::Recover(one) => &one.common.look,
            What::Idle(one) => &one.common.look,
            What::Output(one) => &one.common.look,
            What::Spawn(one) => &one.common.look,
            What::Files(one) => &one.common.look,
            What::Plan(one) => &one.common.look,
        }
    }

    /// Runs one benchmark and prints its figures.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let report = match self.what {
            What::Dispatch(one) => one.run(screen).await?,
            What::Submit(one) => one.run(screen).await?,
            What::Start(one) => one.run(screen).await?,
            What::Recover(one) => one.run(screen).await?,
            What::Idle(one) => one.run(screen).await?,
            What::Output(one) => Box::pin(one.run(screen)).await?,
            What::Spawn(one) => one.run(screen)?,
            What::Files(one) => one.run(screen).await?,
            What::Plan(one) => one.run(screen)?,
        };
        report.show(screen)?;
        Ok(Exit::OK)
    }
}

/// The folder of a benchmark; removed at its end unless the person named it.
enum Folder {
    Temporary(tempfile::TempDir),
    Named(PathBuf),
}

impl Common {
    fn folder(&self) -> Result<Folder, BenchError> {
        match &self.data {
            Some(path) => Ok(Folder::Named(path.clone())),
            None => tempfile::Builder::new()
                .prefix("repower-bench-")
                .tempdir()
                .map(Folder::Temporary)
                .map_err(|source| BenchError::NoFolder { source }),
        }
    }
}

impl Folder {
    fn path(&self) -> PathBuf {
        match self {
            Self::Temporary(folder) => folder.path().to_owned(),
            Self::Named(path) => path.clone(),
        }
    }
}

async fn cluster(
    folder: &Folder,
    agents: usize,
    cpus: Option<u64>,
    no_exec: bool,
    more: toml::Table,
) -> Result<Cluster, Failure> {
    let program = std::env::current_exe().map_err(|source| BenchError::NoProgram { source })?;
    let lease = Duration::from_secs(15);
    let folder = folder.path();
    Cluster::start(Plan { program, folder, agents, cpus, no_exec, lease, more }).await
}
