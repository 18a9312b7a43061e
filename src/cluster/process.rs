//! One process of a cluster.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::failure::Explain;

/// How long a process may take to end in order.
const PATIENCE: Duration = Duration::from_secs(20);

/// A scheduler or an agent. Dropping it kills it; should this process die first, it ends too.
#[derive(Debug)]
pub struct Process {
    child: Child,
    id: Pid,
    out: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

/// A process that did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be launched.
    #[error("cannot start {program}", program = program.display())]
    NotLaunched {
        /// Which.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its log cannot be written.
    #[error("cannot write its log {path}", path = path.display())]
    NoLog {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready, or took too long.
    #[error("it did not get ready: {last}")]
    NotReady {
        /// The end of its log.
        last: String,
        /// Where the log is.
        log: PathBuf,
    },
}

impl Explain for ProcessError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotLaunched { .. } => None,
            Self::NoLog { .. } => Some("name another folder with --data".to_owned()),
            Self::NotReady { log, .. } => Some(format!("its whole log is {}", log.display())),
        }
    }
}

impl Process {
    pub(super) fn start(
        program: &Path,
        command: &str,
        config: &Path,
        log: &Path,
    ) -> Result<Self, ProcessError> {
        let no_log = |source| ProcessError::NoLog { path: log.to_owned(), source };
        let file = fs::OpenOptions::new().create(true).append(true).open(log).map_err(no_log)?;
        let mut child = Command::new(program)
            .arg(command)
            .arg("--config")
            .arg(config)
            .arg("--with-parent")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::NotLaunched { program: program.to_owned(), source })?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.expect("a child that was not waited for has an id");
        let out = child.stdout.take().map(BufReader::new);
        Ok(Self { child, id, out, log: log.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits for the line that says where it is ready.
    pub(super) async fn ready(&mut self, limit: Duration) -> Result<String, ProcessError> {
        let mut line = String::new();
        if let Some(out) = &mut self.out {
            let read = timeout(limit, out.read_line(&mut line)).await;
            if matches!(read, Ok(Ok(count)) if count > 0)
                && let Some(address) = line.trim().strip_prefix("ready ")
            {
                return Ok(address.to_owned());
            }
        }
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(5).collect();
        let last = tail.into_iter().rev().collect::<Vec<_>>().join("; ");
        Err(ProcessError::NotReady { last, log: self.log.clone() })
    }

    /// Asks it to end in order.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn kill(mut self) {
        self.signal(Signal::KILL);
        drop(self.child.wait().await);
    }

    /// Waits until it has ended; kills it if that takes too long.
    pub(super) async fn ended(mut self) {
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Sends a signal; returns whether the process was still there. Its id is ours until we wait.
    fn signal(&self, signal: Signal) -> bool {
        kill_process(self.id, signal).is_ok()
    }
}

/// Kills a process of a cluster that is no child of this one.
pub(super) fn kill(id: u32) {
    if let Some(id) = Pid::from_raw(id.cast_signed()) {
        // It may have ended before.
        kill_process(id, Signal::KILL).ok();
    }
}
