//! What a replay came to, in the measures of the literature.
//!
//! *Wait* = start - submission. *Bounded slowdown* = max(1, (wait + run) / max(run, 10 s)); the
//! bound keeps jobs of a few seconds from deciding the mean (Feitelson et al., JSSPP 1997).
//! *Makespan* = last end - first submission. *Utilisation* = processor time of the jobs that ended
//! well, of what all nodes have in the makespan. Where attempts were lost the start is that of
//! the one that did the work. The median and the 95th percentile are values of the sorted list, at
//! the places n/2 and 95 n/100, rounded down and counted from 0.

mod measure;
mod starts;

use repower_model::Span;

use crate::replay::{Replay, Run};
use crate::trace::{Job, Machine, Shape, Workload};

pub use measure::{jain, percentile};
pub use starts::{StartsError, check_starts, write_starts};

/// Shorter jobs count as so long in the bounded slowdown.
pub const BOUND: Span = Span::from_secs(10);

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Jobs that ended as they should; all averages are over these.
    pub jobs: u64,
    /// Jobs that were given up after too many lost attempts.
    pub failed: u64,
    /// Mean wait, in seconds.
    pub mean_wait_s: f64,
    /// The longest wait.
    pub max_wait: Span,
    /// Mean bounded slowdown.
    pub mean_bsld: f64,
    /// Median of the bounded slowdown.
    pub median_bsld: f64,
    /// The bounded slowdown that 95 % are below.
    pub p95_bsld: f64,
    /// From the first submission to the last end.
    pub makespan: Span,
    /// Share of the processors' time that was used, from 0 to 1.
    pub utilisation: f64,
    /// Share of the GPUs' time; `None`: there are none.
    pub gpu_utilisation: Option<f64>,
    /// Jain's index over the projects' mean bounded slowdowns: 1 if all fare alike, 1/n if one has
    /// all the slowdown.
    pub fairness: f64,
    /// How the projects fared, in the order in which they first came.
    pub projects: Vec<Project>,
}

/// How a project fared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its jobs that ended as they should.
    pub jobs: u64,
    /// Their mean wait, in seconds.
    pub mean_wait_s: f64,
    /// Their mean bounded slowdown.
    pub mean_bsld: f64,
    /// Processor time, in hours.
    pub cpu_hours: f64,
}

/// How long a job waited.
pub fn wait(job: &Job, run: &Run) -> Span {
    Span::from_millis(run.start.as_millis().saturating_sub(job.submit.as_millis()))
}

/// The bounded slowdown of a job.
pub fn bounded_slowdown(job: &Job, run: &Run) -> f64 {
    let stayed = run.end.as_millis().saturating_sub(job.submit.as_millis());
    let ran = job.run.max(BOUND).as_millis();
    (measure::float(stayed) / measure::float(ran)).max(1.0)
}

/// The processor time of all jobs of a workload, of what a machine has in a span.
pub fn utilisation(workload: &Workload, machine: &Machine, span: Span) -> f64 {
    let run = Run { done: true, ..Run::default() };
    let mut sum = measure::Sum::default();
    workload.jobs.iter().for_each(|job| sum.add(job, 0, &run, 1.0));
    measure::share(sum.cpu, machine.cpus().as_milli(), span)
}

impl Report {
    /// Sums a replay up.
    pub fn of(workload: &Workload, machine: &Machine, replay: &Replay) -> Self {
        let pairs = || workload.jobs.iter().zip(&replay.runs).filter(|(_, run)| run.done);
        let mut slowdowns: Vec<f64> =
            pairs().map(|(job, run)| bounded_slowdown(job, run)).collect();
        let mut projects: Vec<measure::Sum> =
            vec![measure::Sum::default(); workload.projects.len()];
        let gpus_of: Vec<u64> = workload.shapes.iter().map(Shape::gpus).collect();
        let mut all = measure::Sum::default();
        for ((job, run), slowdown) in pairs().zip(&slowdowns) {
            let gpus = gpus_of[job.shape as usize];
            projects[job.project as usize].add(job, gpus, run, *slowdown);
            all.add(job, gpus, run, *slowdown);
        }
        slowdowns.sort_by(f64::total_cmp);
        let first = workload.jobs.iter().map(|job| job.submit).min().unwrap_or_default();
        let last = replay.runs.iter().map(|run| run.end).max().unwrap_or_default();
        let makespan = Span::from_millis(last.as_millis().saturating_sub(first.as_millis()));
        let gpus = machine.gpus();
        let used = measure::Sum::projects(&projects);
        Self {
            jobs: all.jobs,
            failed: workload.jobs.len() as u64 - all.jobs,
            mean_wait_s: all.mean_wait_s(),
            max_wait: all.max_wait,
            mean_bsld: all.mean_bsld(),
            median_bsld: percentile(&slowdowns, 50),
            p95_bsld: percentile(&slowdowns, 95),
            makespan,
            utilisation: measure::share(all.cpu, machine.cpus().as_milli(), makespan),
            gpu_utilisation: (gpus > 0).then(|| measure::share(all.gpu, gpus, makespan)),
            fairness: jain(&used),
            projects: workload
                .projects
                .iter()
                .zip(&projects)
                .map(|(name, sum)| sum.project(name))
                .collect(),
        }
    }
}
