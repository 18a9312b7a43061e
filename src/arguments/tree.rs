//! The tree of commands.

use clap::{Parser, Subcommand};

use super::EXIT_CODES;
use super::style::STYLES;
use crate::command;

/// Batch scheduler for AI and scientific jobs on retired hardware and stranded power.
#[derive(Debug, Parser)]
#[command(name = "repower", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// All that can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a command, a script or a job file
    Submit(Box<command::submit::Submit>),
    /// List jobs
    Jobs(command::jobs::Jobs),
    /// Show all of a job, or the attempts of one of its tasks
    Show(command::show::Show),
    /// Print what tasks wrote
    Logs(command::logs::Logs),
    /// Wait for jobs to end, and exit as they did
    Wait(command::wait::Wait),
    /// Cancel jobs or some of their tasks
    Cancel(command::cancel::Cancel),
    /// Submit the tasks of an ended job again
    Resubmit(command::resubmit::Resubmit),
}
