//! `repower demo`: the main job on real examples, from a scheduler's first start to a verified
//! ledger, over the path that every cell uses.

mod chapters;
mod compliance;
mod examples;
mod policy;
mod report;
mod restart;
mod shell;
mod tell;

use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::Look;
use crate::clock::Stopwatch;
use crate::cluster::{Cluster, Plan};
use crate::failure::{Exit, Explain, Failure};
use crate::render::Screen;

use examples::Examples;
use tell::Teller;

/// Agents of the demo.
const AGENTS: usize = 3;

/// How long a node may be silent: short, so that the demo does not take long.
const LEASE: Duration = Duration::from_secs(3);

/// How many times as fast as in production the detector looks, so that the demo does not take long.
const PACE: u32 = 10;

/// Options of `repower demo`.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Folder to leave everything in [default: a new one below the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    look: Look,
}

/// Something in the demo went otherwise than it must.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no folder to work in.
    #[error("cannot make a folder for the demo")]
    NoFolder {
        /// Why.
        source: std::io::Error,
    },
    /// The folder is not empty.
    #[error("{path} is not empty", path = path.display())]
    FolderInUse {
        /// Which.
        path: PathBuf,
    },
    /// This program cannot be found again.
    #[error("cannot find this program's own file")]
    NoProgram {
        /// Why.
        source: std::io::Error,
    },
    /// The workloads are neither built nor can they be.
    #[error("the example programs are not there: {said}")]
    NoExamples {
        /// What was tried.
        said: String,
    },
    /// A job did not end as it must.
    #[error("job {job} ended otherwise than it must: {found}")]
    Job {
        /// Which.
        job: u64,
        /// How it ended.
        found: String,
    },
    /// The output of a task is not what the example prints.
    #[error("job {job} has printed something else than its results: {found}")]
    Output {
        /// Which.
        job: u64,
        /// What was missing.
        found: String,
    },
    /// Something that must be refused was accepted.
    #[error("{what} was not refused as it must be: {found}")]
    NotRefused {
        /// What.
        what: &'static str,
        /// What came instead.
        found: String,
    },
    /// A command did something else than it must.
    #[error("a command {how}: {said}")]
    Command {
        /// What it did.
        how: String,
        /// What it said.
        said: String,
    },
    /// A file of the demo cannot be written.
    #[error("cannot write {path}", path = path.display())]
    NotWritten {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The ledger does not verify.
    #[error("the ledger does not verify: {said}")]
    Ledger {
        /// What the verification said.
        said: String,
    },
}

impl Explain for DemoError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFolder { .. } => Some("name a folder that can be written with --data".into()),
            Self::FolderInUse { .. } => Some("name a new folder with --data".into()),
            Self::NoExamples { .. } => {
                Some("run the demo from a checkout: cargo run --release -- demo".into())
            }
            Self::NoProgram { .. }
            | Self::Job { .. }
            | Self::Output { .. }
            | Self::NotRefused { .. }
            | Self::Command { .. }
            | Self::NotWritten { .. }
            | Self::Ledger { .. } => None,
        }
    }
}

impl Demo {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Runs the demo; whatever happens, nothing is left running.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let examples = Examples::find_or_build(screen).await?;
        let folder = folder(self.data)?;
        let watch = Stopwatch::start();
        let mut teller = Teller::new(screen);
        teller.title("Repower: the main job, in eight chapters")?;
        let program = std::env::current_exe().map_err(|source| DemoError::NoProgram { source })?;
        let plan = Plan {
            program,
            folder: folder.clone(),
            agents: AGENTS,
            cpus: Some(slots()),
            no_exec: false,
            lease: LEASE,
            more: more(),
        };
        let interrupted = async { drop(tokio::signal::ctrl_c().await) };
        let mut interrupted = std::pin::pin!(interrupted);
        let started = tokio::select! {
            started = Cluster::start(plan) => Some(started?),
            () = &mut interrupted => None,
        };
        let Some(mut cluster) = started else {
            return Ok(Exit::INTERRUPTED);
        };
        let told = tokio::select! {
            told = chapters::all(&mut cluster, &examples, &mut teller) => Some(told),
            () = &mut interrupted => None,
        };
        cluster.stop().await;
        match told {
            None => {
                teller.aside("interrupted: all processes have ended");
                Ok(Exit::INTERRUPTED)
            }
            Some(told) => {
                told?;
                teller.end(&folder, watch.seconds())?;
                Ok(Exit::OK)
            }
        }
    }
}

/// More options of all agents: how fast the detector looks, where they are, and what they draw at most.
fn more() -> toml::Table {
    let watts = policy::WATTS.to_string();
    let labels = [("site", "demo"), ("meter", policy::ACCOUNT), ("watts", &watts)];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.into()));
    let labels = toml::Value::Table(labels.into_iter().collect());
    let pace = ("detector-pace".to_owned(), toml::Value::from(PACE));
    [pace, ("labels".to_owned(), labels)].into_iter().collect()
}

/// Processors that each agent says it has, so that together they have no more than there are, but
/// one at least.
fn slots() -> u64 {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    u64::try_from(all / AGENTS).unwrap_or(1).max(1)
}

fn folder(named: Option<PathBuf>) -> Result<PathBuf, DemoError> {
    let no_folder = |source| DemoError::NoFolder { source };
    let Some(path) = named else {
        let folder =
            tempfile::Builder::new().prefix("repower-demo-").tempdir().map_err(no_folder)?;
        return Ok(folder.keep());
    };
    std::fs::create_dir_all(&path).map_err(no_folder)?;
    let mut entries = std::fs::read_dir(&path).map_err(no_folder)?;
    if entries.next().is_some() {
        return Err(DemoError::FolderInUse { path });
    }
    path.canonicalize().map_err(no_folder)
}
