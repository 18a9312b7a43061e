//! The commands, one a file: its options, and what it does.

pub mod agent;
pub mod approve;
pub mod bench;
pub mod cancel;
pub mod completions;
mod daemon;
pub mod demo;
pub mod dev;
pub mod drain;
pub mod enter;
pub mod exec;
pub mod executor;
pub mod fetch;
pub mod findings;
pub mod jobs;
pub mod ledger;
pub mod logs;
pub mod node;
pub mod nodes;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod report;
pub mod reserve;
pub mod resubmit;
mod retention;
pub mod review;
pub mod scheduler;
pub mod show;
pub mod sim;
pub mod submit;
pub mod token;
pub mod top;
pub mod wait;
pub mod why;

use crate::arguments::{Command, Look};
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
            Self::Fetch(command) => command.reach.look().screen(),
            Self::Top(command) => command.reach.look().screen(),
            Self::Wait(command) => command.reach.look().screen(),
            Self::Cancel(command) => command.reach.look().screen(),
            Self::Resubmit(command) => command.reach.look().screen(),
            Self::Why(command) => command.reach.look().screen(),
            Self::Plan(command) => command.reach.look().screen(),
            Self::Review(command) => command.reach.look().screen(),
            Self::Approve(command) => command.reach.look().screen(),
            Self::Approvals(command) => command.reach.look().screen(),
            Self::Unapprove(command) => command.reach.look().screen(),
            Self::Findings(command) => command.reach().look().screen(),
            Self::Quarantine(command) => command.reach.look().screen(),
            Self::Nodes(command) => command.reach.look().screen(),
            Self::Node(command) => command.reach.look().screen(),
            Self::Drain(command) => command.reach.look().screen(),
            Self::Resume(command) => command.reach.look().screen(),
            Self::Reserve(command) => command.reach.look().screen(),
            Self::Reservations(command) => command.reach.look().screen(),
            Self::Unreserve(command) => command.reach.look().screen(),
            Self::Token(command) => command.reach().look().screen(),
            Self::Policy(command) => command.look().screen(),
            Self::Ledger(command) => command.look().screen(),
            Self::Report(command) => command.screen(),
            Self::Scheduler(command) => command.look.screen(),
            Self::Man(command) => command.look.screen(),
            Self::Dev(command) => command.look().screen(),
            Self::Demo(command) => command.look().screen(),
            Self::Bench(command) => command.look().screen(),
            Self::Sim(command) => command.look().screen(),
            Self::Exec(command) => command.reach.look().screen(),
            Self::Progress(_)
            | Self::Agent(_)
            | Self::Executor(_)
            | Self::Enter(_)
            | Self::Completions(_) => Look::default().screen(),
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
            Self::Fetch(command) => asking(command.run(screen)),
            Self::Top(command) => asking(command.run(screen)),
            Self::Progress(command) => command.run(),
            Self::Wait(command) => asking(command.run(screen)),
            Self::Cancel(command) => asking(command.run(screen)),
            Self::Resubmit(command) => asking(command.run(screen)),
            Self::Why(command) => asking(command.run(screen)),
            Self::Plan(command) => asking(command.run(screen)),
            Self::Review(command) => asking(command.run(screen)),
            Self::Approve(command) => asking(command.run(screen)),
            Self::Approvals(command) => asking(command.run(screen)),
            Self::Unapprove(command) => asking(command.run(screen)),
            Self::Findings(command) => asking(command.run(screen)),
            Self::Quarantine(command) => asking(command.run(screen)),
            Self::Nodes(command) => asking(command.run(screen)),
            Self::Node(command) => asking(command.run(screen)),
            Self::Drain(command) => asking(command.run(screen)),
            Self::Resume(command) => asking(command.run(screen)),
            Self::Reserve(command) => asking(command.run(screen)),
            Self::Reservations(command) => asking(command.run(screen)),
            Self::Unreserve(command) => asking(command.run(screen)),
            Self::Token(command) => asking(command.run(screen)),
            Self::Policy(command) => command.run(screen),
            Self::Ledger(command) => asking(command.run(screen)),
            Self::Report(command) => asking(command.run(screen)),
            Self::Scheduler(command) => command.run(screen),
            Self::Agent(command) => command.run(),
            Self::Executor(command) => command.run(),
            Self::Enter(command) => command.run(),
            Self::Exec(command) => asking(command.run(screen)),
            Self::Completions(command) => command.run(screen),
            Self::Man(command) => command.run(screen),
            Self::Dev(command) => asking(command.run(screen)),
            Self::Demo(command) => asking(command.run(screen)),
            Self::Bench(command) => asking(command.run(screen)),
            Self::Sim(command) => command.run(screen),
        }
    }
}

/// Runs a command that asks the scheduler, on this thread alone: starting others would cost more than they save.
fn asking(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| StartError { source })?.block_on(command)
}

/// The process could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up timers and sockets")]
struct StartError {
    #[from]
    source: std::io::Error,
}

impl crate::failure::Explain for StartError {
    fn hint(&self) -> Option<String> {
        Some("check the limit of open files with `ulimit -n`".to_owned())
    }
}
