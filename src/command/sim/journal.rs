//! A journal as a workload: what was asked of a live scheduler, task by task, and how it went there.
//!
//! A task arrives when nothing but a node was missing: when it was submitted, approved, its
//! dependencies had ended and its start time had come, whichever was last. It runs for as long as the
//! last attempt that did any work. What never ran to its end is left out and counted; so are gangs, unless
//! they are asked for.

use std::collections::BTreeMap;
use std::path::Path;

use repower_core::fact::{AttemptEnded, Entry, Fact, JobSubmitted};
use repower_model::{JobId, JobSpec, NodeId, Outcome, Resources, Sequel, Span, TaskId, Timestamp};
use repower_proto::convert;
use repower_sim::replay::Run;
use repower_sim::trace::{Draft, Job, Machine, Offer, ProjectBy, Rule, Shape, Wide, Workload};
use repower_store::journal::Ledger as _;
use repower_store::sqlite::Reader;

use super::error::SimError;

/// Facts that are read at once.
const PAGE: usize = 4096;

/// Shorter tasks are taken to run so long: a replay counts in milliseconds.
const LEAST_RUN: Span = Span::from_millis(1);

/// What a journal says.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) workload: Workload,
    /// All nodes that ever had an agent, as it last described them.
    pub(super) machine: Machine,
    runs: BTreeMap<TaskId, Run>,
}

impl Recorded {
    /// How the jobs of the workload, or what is left of it, went in truth.
    pub(super) fn runs(&self, workload: &Workload) -> Vec<Run> {
        let task = |job: &Job| TaskId { job: JobId(job.id), index: job.index };
        workload
            .jobs
            .iter()
            .map(|job| self.runs.get(&task(job)).copied().unwrap_or_default())
            .collect()
    }
}

/// Reads the journal of a data folder.
pub(super) fn read(folder: &Path, by: ProjectBy, wide: Wide) -> Result<Recorded, SimError> {
    if by == ProjectBy::Group {
        return Err(SimError::NoGroups);
    }
    let reader = Reader::open(folder)?;
    let mut scribe = Scribe::new(by, wide);
    let mut next = 0;
    loop {
        let page = reader.entries(next, PAGE)?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        for stored in &page {
            let entry = convert::decode(&stored.body)
                .map_err(|source| SimError::Fact { seq: stored.seq, source })?;
            scribe.note(&entry);
        }
    }
    scribe.finish(folder)
}

/// A job that has not ended.
struct Known {
    arrival: Timestamp,
    shape: u32,
    project: u32,
    priority: i32,
    expected: Option<Span>,
    /// Tasks whose end was not seen.
    open: u64,
    /// It is a gang, and those are not asked for.
    is_left_out: bool,
    /// Tasks that failed, and may be given back.
    failed: BTreeMap<u32, (i64, Job, Run)>,
}

struct Scribe {
    by: ProjectBy,
    wide: Wide,
    draft: Draft,
    founded: Option<Timestamp>,
    jobs: BTreeMap<JobId, Known>,
    placed: BTreeMap<TaskId, (NodeId, Timestamp)>,
    nodes: BTreeMap<NodeId, Offer>,
    runs: BTreeMap<TaskId, Run>,
}

impl Scribe {
    fn new(by: ProjectBy, wide: Wide) -> Self {
        Self {
            by,
            wide,
            draft: Draft::with_least_run(LEAST_RUN),
            founded: None,
            jobs: BTreeMap::new(),
            placed: BTreeMap::new(),
            nodes: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other facts say nothing of workloads")]
    fn note(&mut self, entry: &Entry) {
        self.founded.get_or_insert(entry.at);
        match &entry.fact {
            Fact::JobSubmitted(submitted) => self.submitted(submitted, entry.at),
            Fact::JobReviewed { job, .. } | Fact::DependencySettled { job, .. } => {
                if let Some(known) = self.jobs.get_mut(job) {
                    known.arrival = known.arrival.max(entry.at);
                }
            }
            Fact::AttemptPlaced { attempt, node, .. } => {
                self.placed.insert(attempt.task, (*node, entry.at));
            }
            Fact::AttemptEnded(ended) => self.ended(ended),
            Fact::TaskReturned { task, .. } => {
                if let Some(known) = self.jobs.get_mut(&task.job)
                    && known.failed.remove(&task.index).is_some()
                {
                    known.open += 1;
                }
            }
            Fact::JobEnded { job, .. } => self.close(*job),
            Fact::NodeEnrolled { node, name, .. } => {
                let blank = Offer {
                    name: name.clone(),
                    capacity: Resources::default(),
                    labels: Vec::new(),
                    isa_level: String::new(),
                };
                self.nodes.entry(*node).or_insert(blank).name.clone_from(name);
            }
            Fact::NodeConnected { node, inventory, .. } => {
                if let Some(offer) = self.nodes.get_mut(node) {
                    offer.capacity.clone_from(&inventory.capacity);
                    offer.labels.clone_from(&inventory.labels);
                    offer.isa_level.clone_from(&inventory.isa_level);
                }
            }
            _ => {}
        }
    }

    fn submitted(&mut self, submitted: &JobSubmitted, at: Timestamp) {
        let spec: &JobSpec = &submitted.spec;
        let payer = match self.by {
            ProjectBy::User => &submitted.submitter,
            ProjectBy::Project | ProjectBy::Group => &spec.project,
        };
        let shape = Shape {
            resources: spec.resources.clone(),
            constraints: spec.constraints.clone(),
            gang: spec.gang,
        };
        let known = Known {
            arrival: at.max(spec.start_after.unwrap_or(at)),
            shape: self.draft.shape(shape),
            project: self.draft.project(payer),
            priority: spec.priority,
            expected: spec.expected.or(spec.time_limit),
            open: spec.array.count(),
            is_left_out: spec.gang.is_some() && self.wide == Wide::LeaveOut,
            failed: BTreeMap::new(),
        };
        self.jobs.insert(submitted.job, known);
    }

    fn ended(&mut self, ended: &AttemptEnded) {
        let task = ended.attempt.task;
        let placed = self.placed.remove(&task);
        let Some(known) = self.jobs.get_mut(&task.job).filter(|known| !known.is_left_out) else {
            return;
        };
        let ran = matches!(
            ended.outcome,
            Outcome::Exited { .. }
                | Outcome::Signalled { .. }
                | Outcome::TimedOut
                | Outcome::OutOfMemory
        );
        let (Some((node, at)), true) = (placed, ran) else { return };
        let final_ = matches!(ended.sequel, Sequel::Succeeded | Sequel::Failed);
        if !final_ {
            return;
        }
        let founded = self.founded.unwrap_or_default();
        let start = ended.started.unwrap_or(at);
        let run = ended.ended.since(start).max(LEAST_RUN);
        let place = self.nodes.keys().position(|known| *known == node);
        let recorded = Run {
            start: start.since(founded),
            end: (start + run).since(founded),
            node: place.and_then(|place| u32::try_from(place).ok()).unwrap_or_default(),
            done: true,
        };
        let job = Job {
            id: task.job.0,
            index: task.index,
            submit: Span::ZERO,
            run,
            estimate: known.expected.unwrap_or(run),
            cpus: self.draft.shape_of(known.shape).cpus(),
            shape: known.shape,
            project: known.project,
            priority: known.priority,
        };
        let submit_ms = known.arrival.as_millis().saturating_sub(founded.as_millis());
        known.open -= 1;
        if ended.sequel == Sequel::Failed {
            known.failed.insert(task.index, (submit_ms, job, recorded));
        } else {
            self.add(submit_ms, job, recorded);
        }
    }

    fn add(&mut self, submit_ms: i64, job: Job, recorded: Run) {
        self.runs.insert(TaskId { job: JobId(job.id), index: job.index }, recorded);
        self.draft.add(submit_ms, job);
    }

    /// Nothing more comes of a job: what failed has failed, what was not seen never ran.
    fn close(&mut self, job: JobId) {
        let Some(known) = self.jobs.remove(&job) else { return };
        let rule = if known.is_left_out { Rule::Gang } else { Rule::NeverRan };
        self.draft.skip(rule, known.open);
        for (submit_ms, job, recorded) in known.failed.into_values() {
            self.add(submit_ms, job, recorded);
        }
    }

    fn finish(mut self, folder: &Path) -> Result<Recorded, SimError> {
        for job in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.close(job);
        }
        if self.draft.is_empty() {
            return Err(SimError::NothingRan { path: folder.display().to_string() });
        }
        let mut workload = self.draft.finish(None, Vec::new());
        // A journal is not in the order of arrivals, and need not be: nothing was sorted in that
        // stood wrong.
        workload.tally.unsorted = 0;
        workload.by_task = true;
        let nodes = self.nodes.into_values().collect();
        Ok(Recorded { workload, machine: Machine { nodes }, runs: self.runs })
    }
}
