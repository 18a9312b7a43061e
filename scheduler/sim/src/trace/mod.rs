//! Recorded workloads: jobs with their times, and the machines that they ran on.
//!
//! [`swf`] reads the Standard Workload Format, [`jobs`] and [`nodes`] read CSV; each plain or
//! gzipped, which the content tells and not the name. A [`Workload`] is compact: a million jobs are
//! some 90 MB. What is left out is counted by [`Rule`], never silently.

mod draft;
mod error;
pub mod jobs;
mod machine;
pub mod nodes;
mod shape;
mod source;
pub mod swf;
mod table;
mod tally;

use repower_model::{Cpus, Span};

pub use draft::Draft;
pub use error::TraceError;
pub use machine::{Machine, Offer};
pub use shape::{Shape, Wide};
pub use tally::{Rule, Tally};

/// The countable thing that a GPU is, for jobs and nodes of traces.
pub const GPU: &str = "gpu";

/// A job of a trace. It is one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// As the trace numbers it; rows of a CSV file are counted from 1.
    pub id: u64,
    /// Which task of it, if the trace is a journal; else 0.
    pub index: u32,
    /// When it was submitted, from the beginning of the trace.
    pub submit: Span,
    /// How long it runs.
    pub run: Span,
    /// How long its user said it would; the run time where they said nothing.
    pub estimate: Span,
    /// Processors.
    pub cpus: Cpus,
    /// What it asks for: an index into [`Workload::shapes`].
    pub shape: u32,
    /// Who pays: an index into [`Workload::projects`].
    pub project: u32,
    /// Higher goes first.
    pub priority: i32,
}

/// The jobs of a trace, by submission; those of one moment as the trace has them.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What they ask for.
    pub shapes: Vec<Shape>,
    /// The projects that they belong to; at least one.
    pub projects: Vec<String>,
    /// How many processors the trace says its machine has.
    pub processors: Option<u64>,
    /// Whether its jobs are tasks, each with an index.
    pub by_task: bool,
    /// What was read, and what was left out.
    pub tally: Tally,
}

impl Workload {
    /// Leaves out the jobs that the machine could never hold. Those that no single node could hold are
    /// left out as well, or turned into gangs where that lets them run.
    pub fn fit(&mut self, machine: &Machine, wide: Wide) {
        let before = self.jobs.len();
        let mut packed = vec![false; self.shapes.len()];
        let mut fits = vec![false; self.shapes.len()];
        for (at, shape) in self.shapes.iter_mut().enumerate() {
            fits[at] = machine.could_hold(shape);
            if fits[at] || wide == Wide::LeaveOut {
                continue;
            }
            if let Some(gang) = shape.packed().filter(|gang| machine.could_hold(gang)) {
                *shape = gang;
                (fits[at], packed[at]) = (true, true);
            }
        }
        self.jobs.retain(|job| fits[job.shape as usize]);
        self.tally.skip(Rule::TooLarge, (before - self.jobs.len()) as u64);
        let gangs = self.jobs.iter().filter(|job| packed[job.shape as usize]);
        self.tally.packed = gangs.count() as u64;
    }

    /// What a job asks for.
    pub fn shape(&self, job: &Job) -> &Shape {
        &self.shapes[job.shape as usize]
    }

    /// Keeps only a window: so many jobs from an index on, counted from 0.
    pub fn window(&mut self, first: usize, limit: Option<usize>) {
        let end = limit.map_or(self.jobs.len(), |limit| first.saturating_add(limit));
        let end = end.min(self.jobs.len());
        self.tally.outside = (self.jobs.len() - (first.min(end)..end).len()) as u64;
        self.jobs.truncate(end);
        self.jobs.drain(..first.min(end));
    }
}

/// What a trace takes the project of a job from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProjectBy {
    /// The project that the trace names; one for all where it names none.
    #[default]
    Project,
    /// The user.
    User,
    /// The group; the project, where there are no groups.
    Group,
}
