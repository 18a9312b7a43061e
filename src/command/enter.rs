//! `repower enter`: the process that runs a command in the box of a task. Agents start it.

use std::ffi::OsString;
use std::path::PathBuf;

use repower_agent::{EnterError, Entry};

use crate::failure::{Exit, Explain, Failure};

/// Options of `repower enter`.
#[derive(Debug, clap::Args)]
pub struct Enter {
    /// An open descriptor that is at its end when nobody listens any more
    #[arg(long, value_name = "NUMBER")]
    leash: i32,
    /// The process whose box it is
    #[arg(long, value_name = "PID")]
    pid: Option<i32>,
    /// When that was started, in ticks since the machine was
    #[arg(long, value_name = "TICKS", requires = "pid")]
    started: Option<u64>,
    /// As whom, by numbers
    #[arg(long, value_name = "UID:GID", value_parser = user)]
    user: Option<(u32, u32)>,
    /// Whether the box has namespaces and filters
    #[arg(long)]
    boxed: bool,
    /// In which folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Whether standard input is to be its terminal
    #[arg(long)]
    terminal: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Enter {
    /// Runs the command, on this only thread of the process.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let code = repower_agent::enter(&Entry {
            leash: self.leash,
            pid: self.pid,
            start_ticks: self.started,
            user: self.user,
            boxed: self.boxed,
            folder: self.folder,
            terminal: self.terminal,
            command: self.command,
        })?;
        Ok(Exit::of_job(code == 0, code))
    }
}

impl Explain for EnterError {
    fn hint(&self) -> Option<String> {
        Some("check the command, and whether the task still runs".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_job(false, 126)
    }
}

fn user(text: &str) -> Result<(u32, u32), &'static str> {
    let numbers =
        text.split_once(':').and_then(|(uid, gid)| uid.parse().ok().zip(gid.parse().ok()));
    numbers.ok_or("it is UID:GID")
}
