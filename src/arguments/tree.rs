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
    /// Run a command in the box of a running task
    Exec(command::exec::Exec),
    /// Fetch the files that tasks have brought back
    Fetch(command::fetch::Fetch),
    /// Watch what runs where, and what it uses
    Top(command::top::Top),
    /// Say how far a task is; for use in what jobs run
    Progress(command::progress::Progress),
    /// Wait for jobs to end, and exit as they did
    Wait(command::wait::Wait),
    /// Cancel jobs or some of their tasks
    Cancel(command::cancel::Cancel),
    /// Submit the tasks of an ended job again
    Resubmit(command::resubmit::Resubmit),
    /// Tell why a job or task is where it is
    Why(command::why::Why),
    /// Tell what would come of a submission, and change nothing
    Plan(Box<command::plan::Plan>),
    /// Approve or deny a job that waits for a review
    Review(command::review::Review),
    /// Let jobs of a kind run for a time without a review of their own
    Approve(command::approve::Approve),
    /// List approvals
    Approvals(command::approve::Approvals),
    /// End an approval before its time
    Unapprove(command::approve::Unapprove),
    /// List what looks like something else than it declares, and decide about it
    Findings(command::findings::Findings),
    /// List programs that no job may bring, forbid one, or release one
    Quarantine(command::findings::Quarantine),
    /// List nodes
    Nodes(command::nodes::Nodes),
    /// Show a node and what it runs
    Node(command::node::Node),
    /// Give a node no new work; its tasks go on
    Drain(command::drain::Drain),
    /// Give a drained or held-back node work again
    Resume(command::drain::Resume),
    /// Keep nodes for maintenance or for a project, for a time
    Reserve(command::reserve::Reserve),
    /// List the reservations of nodes
    Reservations(command::reserve::Reservations),
    /// End a reservation before its time
    Unreserve(command::reserve::Unreserve),
    /// Make, list and revoke tokens for agents and people
    Token(command::token::Token),
    /// Show the policy in force; check, compare and apply policy files
    Policy(command::policy::Policy),
    /// Verify, prove and export the ledger of all decisions
    Ledger(command::ledger::Ledger),
    /// Make reports for outsiders from the ledger
    Report(command::report::Report),
    /// Run a scheduler
    Scheduler(Box<command::scheduler::Scheduler>),
    /// Run an agent: tasks run on this machine
    Agent(Box<command::agent::Agent>),
    /// Run the parent of an agent's tasks; agents start it
    #[command(hide = true)]
    Executor(command::executor::Executor),
    /// Run a command in the box of a task; agents start it
    #[command(hide = true)]
    Enter(command::enter::Enter),
    /// Run a scheduler and agents on this machine, to try things out
    Dev(command::dev::Dev),
    /// Show the main job on real examples, from the first start to a verified ledger
    Demo(command::demo::Demo),
    /// Measure this machine, beside what it does without Repower
    Bench(command::bench::Bench),
    /// Run a recorded workload in a virtual machine room, and compare policies
    Sim(Box<command::sim::Sim>),
    /// Write completions for a shell
    Completions(command::completions::Completions),
    /// Write manual pages
    Man(command::completions::Man),
}
