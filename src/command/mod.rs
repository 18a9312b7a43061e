//! The commands, one a file: its options, and what it does.

pub mod cancel;
pub mod jobs;
pub mod logs;
pub mod resubmit;
pub mod show;
pub mod submit;
pub mod wait;

use crate::arguments::Command;
use crate::failure::{Exit, Failure};
use crate::render::Screen;

impl Command {
    /// Returns the screen that the command's options ask for.
    pub fn screen(&self) -> Screen {
        match self {
            Self::Submit(command) => command.reach.look().screen(),
            Self::Jobs(command) => command.reach.look().screen(),
            Self::Show(command) => command.reach.look().screen(),
            Self::Logs(command) => command.reach.look().screen(),
            Self::Wait(command) => command.reach.look().screen(),
            Self::Cancel(command) => command.reach.look().screen(),
            Self::Resubmit(command) => command.reach.look().screen(),
        }
    }

    /// Carries the command out.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; nothing of it has been told yet.
    pub fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match self {
            Self::Submit(command) => asking(command.run(screen)),
            Self::Jobs(command) => asking(command.run(screen)),
            Self::Show(command) => asking(command.run(screen)),
            Self::Logs(command) => asking(command.run(screen)),
            Self::Wait(command) => asking(command.run(screen)),
            Self::Cancel(command) => asking(command.run(screen)),
            Self::Resubmit(command) => asking(command.run(screen)),
        }
    }
}

/// Runs a command that asks the scheduler, on this thread alone: starting others would cost more than they save.
fn asking(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|source| StartError { source })?
        .block_on(command)
}

/// The process could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up timers and sockets")]
struct StartError {
    source: std::io::Error,
}

impl crate::failure::Explain for StartError {
    fn hint(&self) -> Option<String> {
        Some("check the limit of open files with `ulimit -n`".to_owned())
    }
}
