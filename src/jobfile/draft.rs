//! A job as far as somebody has described it: on the command line, in a script, in a job file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{self, PathBuf};

use jiff::Zoned;
use repower_artefacts::outputs::check_pattern;
use repower_proto::v1::{self, DependencyKind};

use super::amounts::Amounts;
use super::array::Array;
use super::demand::Demand;
use super::dependency::{After, job_only};
use super::duration::Duration;
use super::extra::Extra;
use super::held::Held;
use super::input::Input;
use super::moment::{Moment, MomentError};
use super::number::Cpus;
use super::script::Script;
use super::size::Size;
use super::stops::Stops;
use super::variable::{Variable, VariableError};

/// What may be said about a job. Whatever is left out is for a lower source, or the scheduler, to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "The job")]
pub struct Draft {
    /// Name of the job [default: that of its script or command]
    #[arg(long)]
    pub name: Option<String>,
    /// Class of work; `repower policy show` lists them
    #[arg(long, short)]
    pub class: Option<String>,
    /// Who pays [default: default]
    #[arg(long)]
    pub project: Option<String>,
    /// Tasks, one for each index: 0-999, 1-9:2, 0,3,7; %10 at the end lets 10 run at once
    #[arg(long, short, value_name = "INDICES")]
    pub array: Option<Array>,
    /// Higher goes first, -1000 to 1000 [default: 0]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub priority: Option<i32>,
    /// Not before: +2h, 18:30, 2026-05-01T18:30:00+08:00
    #[arg(long, value_name = "WHEN")]
    pub start_after: Option<Moment>,
    /// When it should have ended, so that it starts in time: +2h, 18:30, ..
    #[arg(long, value_name = "WHEN")]
    pub deadline: Option<Moment>,
    /// How long an attempt will take, which helps to plan it
    #[arg(long, value_name = "SPAN")]
    pub expect: Option<Duration>,
    /// After these jobs: 12 or ok:12 when it succeeded, not-ok:12, any:12; each task
    /// only after that of the same index: 12:each
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    pub after: Vec<After>,
    /// After these jobs, however they end
    #[arg(long, value_name = "JOB", value_delimiter = ',', value_parser = job_only)]
    pub after_any: Vec<After>,
    /// After these jobs, if they fail or are cancelled
    #[arg(long, value_name = "JOB", value_delimiter = ',', value_parser = job_only)]
    pub after_not_ok: Vec<After>,

    /// Processors for each task: 2, 0.5 [default: 1]
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        help_heading = "What each task needs"
    )]
    pub cpus: Option<Cpus>,
    /// Memory for each task: 512MiB, 4G
    #[arg(
        long,
        value_name = "SIZE",
        allow_negative_numbers = true,
        help_heading = "What each task needs"
    )]
    pub memory: Option<Size>,
    /// Disk for each task: 10G
    #[arg(
        long,
        value_name = "SIZE",
        allow_negative_numbers = true,
        help_heading = "What each task needs"
    )]
    pub disk: Option<Size>,
    /// So many of a thing that nodes are said to have: licence=2
    #[arg(
        long,
        value_name = "NAME=AMOUNT",
        value_delimiter = ',',
        help_heading = "What each task needs"
    )]
    pub extra: Vec<Extra>,
    /// How many nodes at once, and which.
    #[command(flatten)]
    pub demand: Demand,
    /// How far it is kept apart.
    #[command(flatten)]
    pub held: Held,

    /// File or folder that goes along, or an address that the node fetches from: data.csv,
    /// data/:training, `https://host/file#sha256=DIGEST:name`; may be repeated
    #[arg(long, value_name = "FROM[:TO]", alias = "inputs", help_heading = "Files")]
    pub input: Vec<Input>,
    /// Pattern of files that are brought back: out/*.csv, out; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern, help_heading = "Files")]
    pub outputs: Vec<String>,
    /// When they are: always, or only after success or failure [default: always]
    #[arg(long, value_name = "WHEN", help_heading = "Files")]
    pub keep_outputs: Option<KeepOutputs>,

    /// Variable of its environment; without a value, as it is here
    #[arg(long, short, value_name = "NAME[=VALUE]", help_heading = "How it runs")]
    pub env: Vec<Variable>,
    /// Folder of the node to run in, or `fresh` for an empty one [default: the current folder;
    /// with inputs, outputs or a box, a fresh one]
    #[arg(long, short, value_name = "FOLDER", help_heading = "How it runs")]
    pub workdir: Option<String>,
    /// Longest that an attempt may run: 2h, 1:30:00, 90s [default: no limit]
    #[arg(long, short, value_name = "SPAN", help_heading = "How it runs")]
    pub time_limit: Option<Duration>,
    /// How it is stopped.
    #[command(flatten)]
    pub stops: Stops,
    /// Further attempts after the program failed [default: 0]
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        help_heading = "How it runs"
    )]
    pub retries: Option<u32>,
    /// Further attempts after the system failed: a lost node and such [default: 20]
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        help_heading = "How it runs"
    )]
    pub system_retries: Option<u32>,
}

/// After which ends outputs are brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeepOutputs {
    /// After every end of the program.
    Always,
    /// Only after success.
    Success,
    /// Only after a failure.
    Failure,
}

impl KeepOutputs {
    fn into_wire(self) -> v1::Keep {
        match self {
            Self::Always => v1::Keep::Always,
            Self::Success => v1::Keep::OnSuccess,
            Self::Failure => v1::Keep::OnFailure,
        }
    }
}

/// Reads a pattern of paths below the working folder.
fn pattern(text: &str) -> Result<String, String> {
    check_pattern(text).map(|()| text.to_owned())
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program that the nodes have, and its arguments.
    Command(Vec<String>),
    /// A script that goes along, and its arguments.
    Script(Script, Vec<String>),
}

/// Where and when a draft is read.
pub struct Here<'a> {
    /// Tells the time, in the reader's own zone; asked only if needed, since the zone is in a file.
    pub now: &'a dyn Fn() -> Zoned,
    /// The current folder.
    pub folder: PathBuf,
    /// Looks up a variable of the reader's own environment.
    pub variable: &'a dyn Fn(&OsStr) -> Option<OsString>,
}

/// Why a draft does not make a specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// A variable that was to be taken from here is not there.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The start is beyond the calendar.
    #[error(transparent)]
    Start(#[from] MomentError),
    /// A layout without ranks that it could be about.
    #[error("a layout was said, but neither how many nodes nor how many ranks on each")]
    Layout,
    /// The current folder cannot be said in UTF-8.
    #[error("the folder {0} is not UTF-8 text, which is all that a job can say")]
    Folder(String),
}

impl DraftError {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Variable(_) => "give it a value: --env NAME=VALUE".to_owned(),
            Self::Start(_) => "choose a moment sooner than that".to_owned(),
            Self::Layout => "say it with --nodes, or leave --layout out".to_owned(),
            Self::Folder(_) => {
                "run in another one: --workdir FOLDER, or --workdir fresh".to_owned()
            }
        }
    }
}

impl std::fmt::Debug for Here<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Here").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Draft {
    /// Returns this draft, with what it leaves out taken from a `lower` one; lists are joined.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        fn joined<T>(mut lower: Vec<T>, upper: Vec<T>) -> Vec<T> {
            lower.extend(upper);
            lower
        }
        Self {
            name: self.name.or(lower.name),
            class: self.class.or(lower.class),
            project: self.project.or(lower.project),
            array: self.array.or(lower.array),
            priority: self.priority.or(lower.priority),
            start_after: self.start_after.or(lower.start_after),
            deadline: self.deadline.or(lower.deadline),
            expect: self.expect.or(lower.expect),
            after: joined(lower.after, self.after),
            after_any: joined(lower.after_any, self.after_any),
            after_not_ok: joined(lower.after_not_ok, self.after_not_ok),
            cpus: self.cpus.or(lower.cpus),
            memory: self.memory.or(lower.memory),
            disk: self.disk.or(lower.disk),
            extra: joined(lower.extra, self.extra),
            demand: self.demand.over(lower.demand),
            held: self.held.over(lower.held),
            input: joined(lower.input, self.input),
            outputs: joined(lower.outputs, self.outputs),
            keep_outputs: self.keep_outputs.or(lower.keep_outputs),
            env: joined(lower.env, self.env),
            workdir: self.workdir.or(lower.workdir),
            time_limit: self.time_limit.or(lower.time_limit),
            stops: self.stops.over(lower.stops),
            retries: self.retries.or(lower.retries),
            system_retries: self.system_retries.or(lower.system_retries),
        }
    }

    /// Returns the specification of a job that runs `program`. Inputs from here have to be looked at first: `inputs`
    /// says what they all are.
    ///
    /// # Errors
    ///
    /// Any [`DraftError`]; what depends on policy and cluster is not looked at.
    pub fn into_spec(
        self,
        program: Program,
        inputs: Vec<v1::InputFile>,
        here: &Here<'_>,
    ) -> Result<v1::JobSpec, DraftError> {
        let dependencies = self.dependencies();
        let (named, script, command) = match program {
            Program::Command(command) => (command_name(&command), Vec::new(), command),
            Program::Script(script, arguments) => (script.name, script.text, arguments),
        };
        // A variable or an extra that was said twice counts as it was said last, which is highest up.
        let mut environment = BTreeMap::new();
        for variable in self.env {
            let settled = variable.settle(here.variable)?;
            environment.insert(settled.name.clone(), settled);
        }
        let extras: BTreeMap<String, Extra> =
            self.extra.into_iter().map(|extra| (extra.name.clone(), extra)).collect();
        if self.demand.has_idle_layout() {
            return Err(DraftError::Layout);
        }
        // A box does not show the folder that it is submitted from.
        let has_files = !self.input.is_empty() || !self.outputs.is_empty() || self.held.is_boxed();
        let millis =
            |moment: Option<Moment>| moment.map_or(Ok(0), |moment| moment.as_millis(&(here.now)()));
        let mut spec = v1::JobSpec {
            name: self.name.unwrap_or(named),
            job_class: self.class.unwrap_or_default(),
            project: self.project.unwrap_or_default(),
            command,
            script,
            environment: environment.into_values().collect(),
            working_folder: folder(self.workdir.as_deref(), has_files, here)?,
            array: self.array.map(Array::into_wire),
            resources: Some(v1::Resources {
                cpu_milli: self.cpus.map_or(1000, Cpus::as_milli),
                memory_bytes: self.memory.map_or(0, Size::as_bytes),
                disk_bytes: self.disk.map_or(0, Size::as_bytes),
                extras: extras.into_values().map(Extra::into_wire).collect(),
            }),
            time_limit_ms: self.time_limit.map_or(0, Duration::as_millis),
            priority: self.priority.unwrap_or(0),
            start_after_ms: millis(self.start_after)?,
            retries: Some(v1::Retries {
                user: self.retries.unwrap_or(0),
                system: self.system_retries,
            }),
            dependencies,
            expected_ms: self.expect.map_or(0, Duration::as_millis),
            deadline_ms: millis(self.deadline)?,
            gang: self.demand.gang(),
            constraints: self.demand.constraints(),
            alternatives: self.demand.or.into_iter().map(Amounts::into_wire).collect(),
            inputs,
            outputs: self.outputs,
            keep_outputs: self.keep_outputs.map_or(0, |keep| keep.into_wire().into()),
            ..self.stops.into_wire()
        };
        self.held.write(&mut spec);
        Ok(spec)
    }

    fn dependencies(&self) -> Vec<v1::Dependency> {
        let any = self.after_any.iter().map(|after| after.of_kind(DependencyKind::Any));
        let not_ok = self.after_not_ok.iter().map(|after| after.of_kind(DependencyKind::NotOk));
        let mut all: Vec<v1::Dependency> =
            self.after.iter().copied().chain(any).chain(not_ok).map(After::into_wire).collect();
        all.sort_by_key(|one| (one.job, one.kind, one.per_task));
        all.dedup();
        all
    }
}

/// Returns the last part of the program's path, cut to what a name may have.
fn command_name(command: &[String]) -> String {
    const LONGEST: usize = 128;
    let program = command.first().map_or("", String::as_str);
    let last = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(program);
    let end =
        (0..=LONGEST.min(last.len())).rev().find(|end| last.is_char_boundary(*end)).unwrap_or(0);
    last[..end].to_owned()
}

fn folder(asked: Option<&str>, has_files: bool, here: &Here<'_>) -> Result<String, DraftError> {
    let folder = match asked {
        Some("fresh") => return Ok(String::new()),
        // Its files come to it, so it needs no folder that all nodes share.
        None if has_files => return Ok(String::new()),
        Some(folder) => here.folder.join(folder),
        None => here.folder.clone(),
    };
    // Only to drop `.` parts: the node has its own links, so nothing is resolved here.
    let folder = path::absolute(&folder).unwrap_or(folder);
    folder
        .into_os_string()
        .into_string()
        .map_err(|folder| DraftError::Folder(folder.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests;
