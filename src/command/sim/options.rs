//! What may be asked of `repower sim`.

use std::path::PathBuf;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::replay::Rule;
use repower_sim::rlscheduler::Backfill;
use repower_sim::trace::{ProjectBy, Wide};

use super::error::SimError;
use crate::arguments::Look;
use crate::jobfile::duration::Duration;

/// Options of `repower sim`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The jobs run in a virtual machine room, scheduled by the same engine as a live
cell; docs/simulator.md has the rules, the columns of CSV files and how the
measures are defined. For example:
  repower sim --swf lublin_256.swf --limit 1000 --policy fcfs,easy,repower
  repower sim --jobs jobs.csv --node-list nodes.csv --starts starts.csv
  repower sim --journal /var/lib/repower/scheduler --plus 2x16 --without rig-07")]
pub struct Sim {
    #[command(flatten)]
    pub(super) source: Source,
    /// Policies to compare: fcfs, sjf, easy, easy-sjf, conservative, wfp3, unicef, f1, f2, f3, f4,
    /// repower
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "repower")]
    pub(super) policy: Vec<String>,
    /// What schedules: Repower's engine, or the loop of the simulator RLScheduler
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t)]
    pub(super) semantics: Semantics,
    /// When the scheduler looks for places: once an instant, or after each single event
    #[arg(long, value_name = "RULE", value_enum, default_value_t)]
    pub(super) passes: Passes,
    /// Equal nodes, as 4x64: four with 64 cpus each [default: one node with all the cpus that the
    /// trace names; for a journal its own nodes]
    #[arg(long, value_name = "COUNTxCPUS", conflicts_with = "node_list", value_parser = uniform)]
    pub(super) nodes: Option<(usize, u64)>,
    /// Nodes from a CSV file
    #[arg(long, value_name = "FILE")]
    pub(super) node_list: Option<PathBuf>,
    /// Equal nodes beside the others, as 2x16; they are called plus1 and so on
    #[arg(long, value_name = "COUNTxCPUS", value_parser = uniform)]
    pub(super) plus: Option<(usize, u64)>,
    /// Take a node out; may be repeated
    #[arg(long, value_name = "NODE")]
    pub(super) without: Vec<String>,
    /// Jobs that no node could hold alone run on several, as few as hold them; a journal's gangs run too
    #[arg(long)]
    pub(super) gangs: bool,
    /// Only so many jobs, of those that the filter leaves
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
    /// Begin with this job, counted from 0
    #[arg(long, value_name = "INDEX", default_value_t = 0, hide_default_value = true)]
    pub(super) first_index: usize,
    /// What says who pays for a job
    #[arg(long, value_name = "FIELD", value_enum, default_value_t)]
    pub(super) project_by: Who,
    /// Nodes fail and come back: mean time to a failure and to the return, as 30d,2h
    #[arg(long, value_name = "MTBF,MTTR", value_parser = faults)]
    pub(super) faults: Option<(Span, Span)>,
    /// What faults are drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "faults")]
    pub(super) seed: u64,
    /// Write the start of each job under each policy into this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub(super) starts: Option<PathBuf>,
    /// Draw pictures into this folder: queue and use over time, waits, who ran where
    #[arg(long, value_name = "FOLDER")]
    pub(super) plot: Option<PathBuf>,
    /// The first day of the picture of who ran where, counted from 0
    #[arg(long, value_name = "DAY", default_value_t = 0, requires = "plot")]
    pub(super) plot_day: u32,
    /// How many days that picture shows
    #[arg(long, value_name = "DAYS", default_value_t = 7, requires = "plot", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub(super) plot_days: u32,
    #[command(flatten)]
    pub(super) look: Look,
}

/// Where the workload comes from.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Source {
    /// Trace in the Standard Workload Format, plain or gzipped
    #[arg(long, value_name = "FILE")]
    pub(super) swf: Option<PathBuf>,
    /// Jobs as CSV, plain or gzipped: arrival,length,cpus and perhaps gpus and more
    #[arg(long, value_name = "FILE")]
    pub(super) jobs: Option<PathBuf>,
    /// Data folder of a scheduler, running or not: the tasks that ran there, on its nodes
    #[arg(long, value_name = "FOLDER")]
    pub(super) journal: Option<PathBuf>,
}

/// What schedules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Semantics {
    /// The engine of a live cell
    #[default]
    Engine,
    /// As the published tables of RLScheduler were made, without its backfill
    Rlscheduler,
    /// The same, with its backfill
    RlschedulerBackfill,
}

impl Semantics {
    /// Returns how the loop of RLScheduler backfills, if it is that.
    pub(super) fn backfill(self) -> Option<Backfill> {
        match self {
            Self::Engine => None,
            Self::Rlscheduler => Some(Backfill::Off),
            Self::RlschedulerBackfill => Some(Backfill::On),
        }
    }
}

/// When the scheduler looks for places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Passes {
    /// Once, when all of an instant has happened
    #[default]
    Instant,
    /// After each completion and each arrival
    Event,
}

impl From<Passes> for Rule {
    fn from(passes: Passes) -> Self {
        match passes {
            Passes::Instant => Self::Instant,
            Passes::Event => Self::Event,
        }
    }
}

/// What says who pays for a job.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Who {
    /// The project that the trace names; one for all if it names none
    #[default]
    Project,
    /// The user
    User,
    /// The group
    Group,
}

impl From<Who> for ProjectBy {
    fn from(who: Who) -> Self {
        match who {
            Who::Project => Self::Project,
            Who::User => Self::User,
            Who::Group => Self::Group,
        }
    }
}

impl Sim {
    /// Returns what becomes of jobs that no single node could hold.
    pub(super) fn wide(&self) -> Wide {
        if self.gangs { Wide::Pack } else { Wide::LeaveOut }
    }

    /// Refuses options that the loop of RLScheduler has no use for.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let option = if self.semantics == Semantics::Engine {
            None
        } else if self.passes != Passes::default() {
            Some("--passes")
        } else if self.gangs {
            Some("--gangs")
        } else if self.faults.is_some() {
            Some("--faults")
        } else if self.plot.is_some() {
            Some("--plot")
        } else {
            None
        };
        option.map_or(Ok(()), |option| Err(SimError::EngineOnly { option }))
    }

    /// Returns the policies that were named, in that order.
    pub(super) fn policies(&self) -> Result<Vec<Discipline>, SimError> {
        let mut found = Vec::new();
        for name in &self.policy {
            let known = Discipline::named(name.trim());
            let known = known.ok_or_else(|| SimError::policy_unknown(name))?;
            if found.contains(&known) {
                return Err(SimError::PolicyTwice { policy: known });
            }
            found.push(known);
        }
        Ok(found)
    }
}

/// Reads `4x64`.
fn uniform(text: &str) -> Result<(usize, u64), String> {
    const MOST_CPUS: u64 = 1_000_000;
    let wrong = || {
        format!("write it as 4x64: how many nodes, and how many cpus each has, up to {MOST_CPUS}")
    };
    let (count, cpus) = text.split_once('x').ok_or_else(wrong)?;
    let most = repower_sim::trace::Machine::MOST_NODES;
    let count = count.parse().ok().filter(|count| (1..=most).contains(count));
    let cpus = cpus.parse().ok().filter(|cpus| (1..=MOST_CPUS).contains(cpus));
    count.zip(cpus).ok_or_else(wrong)
}

/// Reads `30d,2h`.
fn faults(text: &str) -> Result<(Span, Span), String> {
    let (mtbf, mttr) =
        text.split_once(',').ok_or("write both times, as 30d,2h: to a failure, to the return")?;
    let span = |text: &str| {
        let duration: Duration = text.parse().map_err(|error| format!("{error}"))?;
        Ok::<_, String>(Span::from_millis(duration.as_millis()))
    };
    Ok((span(mtbf)?, span(mttr)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_faults_are_read_as_they_are_written() {
        assert_eq!(uniform("4x64"), Ok((4, 64)));
        assert!(
            ["", "4", "0x4", "4x0", "4x", "x4", "4x64x2"].iter().all(|text| uniform(text).is_err())
        );

        let day = 86_400;
        assert_eq!(faults("30d,2h"), Ok((Span::from_secs(30 * day), Span::from_secs(7200))));
        assert!(faults("30d").is_err() && faults("30d,").is_err() && faults("30,2h").is_err());
    }
}
