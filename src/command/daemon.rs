//! What scheduler and agent share: logs on standard error, and an orderly end.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use repower_agent::Told;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::failure::{Exit, Explain, Failure};
use crate::text::TomlError;

/// Options of processes that stay.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
pub(super) struct Stay {
    /// What to log on standard error: error, warn, info, debug, or a filter
    #[arg(
        long,
        value_name = "FILTER",
        env = "REPOWER_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    log: String,
    /// End when the process that started this one ends
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Why a process that should stay cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    #[error("`{filter}` is not a filter of logs")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("cannot listen for signals")]
    Signals { source: io::Error },
    #[error("cannot read the configuration {path}", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the configuration {path} is wrong", path = path.display())]
    Malformed { path: PathBuf, source: TomlError },
}

impl Explain for DaemonError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Filter { .. } => {
                "write for example info, or warn,repower_scheduler=debug".to_owned()
            }
            Self::Signals { .. } => "check the limit of open files with `ulimit -n`".to_owned(),
            Self::Unreadable { .. } => "check its name and permissions".to_owned(),
            Self::Malformed { source, .. } => source
                .hint()
                .unwrap_or_else(|| "docs/cli.md has all keys and their values".to_owned()),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Filter { .. } | Self::Unreadable { .. } | Self::Malformed { .. } => Exit::USAGE,
            Self::Signals { .. } => Exit::FAILED,
        }
    }
}

impl Stay {
    /// Sends what is logged to standard error, and ties this process to its parent if asked to.
    pub(super) fn start(&self) -> Result<(), DaemonError> {
        if self.with_parent {
            set_parent_process_death_signal(Some(Signal::TERM))
                .map_err(|source| DaemonError::Signals { source: source.into() })?;
        }
        log(&self.log)
    }
}

/// Sends what is logged and passes `filter` to standard error.
pub(super) fn log(filter: &str) -> Result<(), DaemonError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| DaemonError::Filter { filter: filter.to_owned(), source })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    Ok(())
}

/// Runs a service until it ends, or SIGTERM or SIGINT asks it to; asked twice, it is left where it is.
pub(super) async fn until_told<E: Into<Failure>, F: Future<Output = Result<(), E>>>(
    service: impl FnOnce(Shutdown) -> F,
) -> Result<Exit, Failure> {
    let listen = |kind| signal(kind).map_err(|source| DaemonError::Signals { source });
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let mut service = std::pin::pin!(service(Shutdown { told }));
    loop {
        let by = tokio::select! {
            ended = &mut service => return ended.map(|()| Exit::OK).map_err(Into::into),
            _ = terminate.recv() => Told::Terminate,
            _ = interrupt.recv() => Told::Interrupt,
        };
        match tell.take() {
            // Whether it still listens does not matter: it ends either way.
            Some(tell) => drop(tell.send(by)),
            None => return Ok(Exit::INTERRUPTED),
        }
    }
}

/// Is ready when the process is asked to end.
#[derive(Debug)]
pub(super) struct Shutdown {
    told: oneshot::Receiver<Told>,
}

impl Shutdown {
    /// Waits until the process is asked to end, and returns by what.
    pub(super) async fn asked(self) -> Told {
        // The other end is dropped only when nobody waits any more.
        self.told.await.unwrap_or(Told::Interrupt)
    }

    /// Waits until the process is asked to end, by whatever it is.
    pub(super) async fn asked_by_anything(self) {
        let _ = self.asked().await;
    }
}

/// Reads a configuration file, or takes the defaults if none was named.
pub(super) fn configuration<T: DeserializeOwned + Default>(
    path: Option<&Path>,
) -> Result<T, DaemonError> {
    let Some(path) = path else {
        return Ok(T::default());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| DaemonError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| DaemonError::Malformed {
        path: path.to_owned(),
        source: TomlError::new(&text, &error),
    })
}

/// Returns the usual data folder: below `/var/lib` for root, else below the person's own state folder.
pub(super) fn data_folder(of: &str) -> PathBuf {
    let system = || PathBuf::from("/var/lib/repower").join(of);
    if rustix::process::geteuid().is_root() {
        return system();
    }
    let own = etcetera::choose_base_strategy().ok().and_then(|base| base.state_dir());
    own.map_or_else(system, |state| state.join("repower").join(of))
}
