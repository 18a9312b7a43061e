//! What a user asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Array, Constraints, Cpus, Egress, Gang, InputFile, Isolation, JobId, Keep, OnDisconnect,
    Resources, Span, Timestamp,
};

/// What a user asks for. Nothing here has been checked against a policy or a cluster yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// 1 to 128 bytes.
    pub name: String,
    /// The declared class; empty: undeclared.
    pub class: String,
    /// Who pays.
    pub project: String,
    /// The program and its arguments, or only the arguments if there is a script.
    pub command: Vec<String>,
    /// The text of a script; empty: none.
    pub script: Vec<u8>,
    /// Variables of the task, besides those that Repower sets.
    pub environment: Vec<Variable>,
    /// A folder of the node; empty: a fresh one for each attempt, removed after it.
    pub working_folder: String,
    /// The tasks.
    pub array: Array,
    /// What one task needs.
    pub resources: Resources,
    /// Of one attempt.
    pub time_limit: Option<Span>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Span,
    /// Higher goes first.
    pub priority: i32,
    /// Not before this.
    pub start_after: Option<Timestamp>,
    /// How often a failed task is tried again.
    pub retries: Retries,
    /// Jobs that must end first.
    pub dependencies: Vec<Dependency>,
    /// How long an attempt will take, by the user's word; the time limit is what ends it.
    pub expected: Option<Span>,
    /// When the job should have ended.
    pub deadline: Option<Timestamp>,
    /// Ranks that start together; `None`: a task is one process on one node.
    pub gang: Option<Gang>,
    /// Which nodes will do.
    pub constraints: Constraints,
    /// Other amounts that would do in place of `resources`, best first; at most
    /// [`JobSpec::ALTERNATIVES`].
    pub alternatives: Vec<Resources>,
    /// The signal that tells a task to save its work before it is preempted; `None`: SIGTERM.
    pub checkpoint_signal: Option<i32>,
    /// Between the checkpoint signal and SIGTERM; `None`: as long as `grace`.
    pub checkpoint_grace: Option<Span>,
    /// An exit code that says: the work is saved, start me again; `None`: no code does.
    pub checkpoint_exit: Option<i32>,
    /// Whether each task has a folder that its attempts hand on, wherever they run.
    pub checkpoint: bool,
    /// When its node is cut off.
    pub on_disconnect: OnDisconnect,
    /// Files that a task finds in its working folder; at most [`JobSpec::FILES`].
    pub inputs: Vec<InputFile>,
    /// Patterns of files in the working folder that are brought back; at most [`JobSpec::FILES`].
    pub outputs: Vec<String>,
    /// After which ends.
    pub keep_outputs: Keep,
    /// The least isolation; a policy's class may ask for more, and what was accepted has the most of both.
    pub isolation: Isolation,
    /// What of the network it reaches; `None`: as its class says. Never `None` once accepted.
    pub egress: Option<Egress>,
    /// The most processes and threads of a task; `None`: as the node says.
    pub pids: Option<u32>,
    /// Whether each of its processes runs on processors that no other pinned one has; whole ones then.
    pub pin_cpus: bool,
    /// What of the disks each of its processes gets when they are scarce, where 100 is what one of one processor has;
    /// `None`: by its processors. Within [`JobSpec::IO_WEIGHTS`].
    pub io_weight: Option<u32>,
    /// The container image to run in, by its digest or id, see [`check_image`](crate::check_image); empty: none.
    pub image: String,
    /// Whether its tasks have the user of their project also on [`Isolation::Bare`], where an agent may be root.
    /// What was accepted has it unless the policy lets its class run as root.
    pub project_user: bool,
}

impl Default for JobSpec {
    /// A job that says nothing, not even what to run: one task with one processor.
    fn default() -> Self {
        Self {
            name: "job".into(),
            class: String::new(),
            project: Self::PROJECT.into(),
            command: Vec::new(),
            script: Vec::new(),
            environment: Vec::new(),
            working_folder: String::new(),
            array: Array::single(),
            resources: Resources { cpus: Cpus::from_whole(1), ..Resources::default() },
            time_limit: None,
            grace: Self::GRACE,
            priority: 0,
            start_after: None,
            retries: Retries { user: 0, system: Retries::SYSTEM },
            dependencies: Vec::new(),
            expected: None,
            deadline: None,
            gang: None,
            constraints: Constraints::default(),
            alternatives: Vec::new(),
            checkpoint_signal: None,
            checkpoint_grace: None,
            checkpoint_exit: None,
            checkpoint: false,
            on_disconnect: OnDisconnect::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            keep_outputs: Keep::default(),
            isolation: Isolation::default(),
            egress: None,
            pids: None,
            pin_cpus: false,
            io_weight: None,
            image: String::new(),
            project_user: false,
        }
    }
}

impl JobSpec {
    /// What a job may ask for as its weight in the use of disks.
    pub const IO_WEIGHTS: std::ops::RangeInclusive<u32> = 1..=1000;

    /// How many processors a task takes in all, with the amounts of a number.
    pub fn processors(&self, number: u32) -> Cpus {
        let ranks = self.gang.map_or(1, |gang| u64::from(gang.ranks()));
        Cpus::from_milli(self.amounts(number).cpus.as_milli().saturating_mul(ranks))
    }

    /// The amounts of a number: 0 the first choice, else that alternative; the first choice where
    /// there is no such alternative.
    pub fn amounts(&self, number: u32) -> &Resources {
        let at = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1);
        at.and_then(|at| self.alternatives.get(at)).unwrap_or(&self.resources)
    }

    /// The input that its command begins with, or that is the first argument which is no option, nor may be what an
    /// option takes: what it runs, or tells its program to run.
    pub fn runs(&self) -> Option<&InputFile> {
        let mut words = self.command.iter().map(|word| word.strip_prefix("./").unwrap_or(word));
        let named = |name: &str| self.inputs.iter().find(|input| input.path == name);
        let first = words.next()?;
        if let Some(input) = named(first) {
            return Some(input);
        }
        let mut is_value = false;
        for word in words {
            let input = named(word);
            let is_option = word.starts_with('-');
            if input.is_some() || !is_option && !is_value {
                return input;
            }
            is_value = is_option;
        }
        None
    }

    /// The lowest and the highest priority.
    pub const PRIORITIES: (i32, i32) = (-1000, 1000);
    /// The grace of a job that names none.
    pub const GRACE: Span = Span::from_secs(10);
    /// The most alternatives.
    pub const ALTERNATIVES: usize = 8;
    /// The most inputs, and the most patterns of outputs.
    pub const FILES: usize = 1000;
    /// The project of a job that names none.
    pub const PROJECT: &str = "default";

    /// How long a task may take to save its work before it gets SIGTERM; zero if it has no signal
    /// that tells it to.
    pub fn saving(&self) -> Span {
        self.checkpoint_signal.map_or(Span::ZERO, |_| self.checkpoint_grace.unwrap_or(self.grace))
    }

    /// How long an attempt takes by what the job itself says: the expected duration, else the time
    /// limit; `None` if it says neither.
    pub fn said(&self) -> Option<Span> {
        self.expected.or(self.time_limit)
    }

    /// The latest safe start: an attempt that starts later would end after the deadline, by what
    /// the job itself says of its length. `None` without a deadline, or without a length: then
    /// nobody can say.
    pub fn latest_safe_start(&self) -> Option<Timestamp> {
        let (deadline, length) = (self.deadline?, self.said()?);
        Some(deadline.before(length))
    }
}

/// A variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Without `=` and NUL.
    pub name: String,
    /// Without NUL.
    pub value: String,
}

/// How often a failed task is tried again, by whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// The program failed, was killed or ran out of time.
    pub user: u32,
    /// The node was lost, or could not start it.
    pub system: u32,
}

impl Retries {
    /// System retries of a job that names none: enough to outlive a bad day, not enough to loop forever.
    pub const SYSTEM: u32 = 20;
}

/// A job that must end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Which.
    pub job: JobId,
    /// How it must end.
    pub kind: DependencyKind,
    /// Whether each task waits only for the task of the same index.
    pub per_task: bool,
}

/// How the other job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DependencyKind {
    /// All its tasks succeeded.
    Ok,
    /// It failed or was cancelled.
    NotOk,
    /// In any way.
    Any,
}

impl DependencyKind {
    /// Whether a job that ended as `state` meets it. A job that has not ended meets nothing.
    pub fn is_met_by(self, state: JobState) -> bool {
        match (self, state) {
            (_, JobState::Held | JobState::Pending | JobState::Running) => false,
            (Self::Any, _) => true,
            (Self::Ok, state) => state == JobState::Succeeded,
            (Self::NotOk, state) => state != JobState::Succeeded,
        }
    }
}

impl fmt::Display for DependencyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::NotOk => "not-ok",
            Self::Any => "any",
        })
    }
}

/// Where a job is. The last three are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobState {
    /// Waits for somebody or for another job.
    Held,
    /// No task has started, or none is running and some wait.
    Pending,
    /// At least one task is on a node.
    Running,
    /// All tasks succeeded.
    Succeeded,
    /// At least one task failed.
    Failed,
    /// Cancelled before all tasks ended; none failed.
    Cancelled,
}

impl JobState {
    /// Whether the job has ended.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name, as tables and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a task is. The last three are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskState {
    /// Waits for a node.
    Pending,
    /// On a node, and not started yet.
    Placed,
    /// Its process runs.
    Running,
    /// It was told to end.
    Stopping,
    /// Its node is lost, and it goes on there.
    OutOfTouch,
    /// Exit code 0.
    Succeeded,
    /// Ended otherwise, and is not tried again.
    Failed,
    /// Cancelled.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_safe_start_leaves_time_for_what_is_expected_or_else_for_the_limit() {
        let deadline = Some(Timestamp::from_millis(10_000));
        let spec =
            |expected, time_limit| JobSpec { time_limit, expected, deadline, ..JobSpec::default() };
        let (short, long) = (Some(Span::from_secs(3)), Some(Span::from_secs(8)));

        assert_eq!(spec(short, long).latest_safe_start(), Some(Timestamp::from_millis(7_000)));
        assert_eq!(spec(None, long).latest_safe_start(), Some(Timestamp::from_millis(2_000)));
        assert_eq!(spec(None, None).latest_safe_start(), None);
        assert_eq!(JobSpec { expected: short, ..JobSpec::default() }.latest_safe_start(), None);
    }
}
