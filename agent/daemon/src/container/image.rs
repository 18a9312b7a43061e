//! Images on this node: looked for, and fetched by the agent before a task waits for its turn.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::engine::{Engine, EngineError};
use super::run::complaint;

/// How long an engine may take to say whether it has an image: others wait to ask.
const PATIENCE: Duration = Duration::from_mins(2);
/// The longest that an image may be on its way.
const LONGEST: Duration = Duration::from_hours(1);

impl Engine {
    /// Fetches an image. Nothing of the engine goes on when this is dropped.
    ///
    /// # Errors
    ///
    /// Why it cannot be had, in words.
    pub(crate) async fn pull(&self, image: &str) -> Result<(), EngineError> {
        let arguments = ["pull", "--quiet", image];
        let complaint = match timeout(LONGEST, self.ask(&arguments)).await {
            Ok(Ok((true, _))) => return Ok(()),
            Ok(Ok((false, complaint))) => complaint,
            Ok(Err(error)) => return Err(error),
            Err(_) => format!("it took longer than {} minutes", LONGEST.as_secs() / 60),
        };
        Err(EngineError::NoImage { image: image.to_owned(), program: self.name(), complaint })
    }

    /// Whether an image is on this node.
    ///
    /// # Errors
    ///
    /// If the engine cannot be asked, or does not answer.
    pub(crate) async fn has(&self, image: &str) -> Result<bool, EngineError> {
        let arguments = ["image", "inspect", "--format", "{{.Id}}", image];
        let late = |_| {
            let program = self.program().to_owned();
            EngineError::Program { program, source: std::io::ErrorKind::TimedOut.into() }
        };
        let (has, _) = timeout(PATIENCE, self.ask(&arguments)).await.map_err(late)??;
        Ok(has)
    }

    /// Runs the engine's program; returns whether it succeeded, and what it complained about.
    async fn ask(&self, arguments: &[&str]) -> Result<(bool, String), EngineError> {
        let failed = |source| EngineError::Program { program: self.program().into(), source };
        let mut command = Command::from(self.command());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stderr);
        Ok((output.status.success(), complaint(&text)))
    }
}
