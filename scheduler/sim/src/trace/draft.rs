//! A workload in the making: the filter, the projects, the order.

use std::collections::BTreeMap;

use repower_model::{JobSpec, Span};

use super::{Job, Rule, Shape, Tally, Workload};

/// Shorter jobs are left out: traces have jobs of 0 s that never did anything.
const LEAST_RUN: Span = Span::from_secs(1);

/// A workload in the making.
#[derive(Debug)]
pub struct Draft {
    jobs: Vec<Job>,
    projects: Vec<String>,
    known: BTreeMap<String, u32>,
    shapes: Vec<Shape>,
    known_shapes: BTreeMap<Shape, u32>,
    least_run: Span,
    tally: Tally,
    /// The latest submission so far, good or not.
    latest: Option<i64>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            projects: Vec::new(),
            known: BTreeMap::new(),
            shapes: Vec::new(),
            known_shapes: BTreeMap::new(),
            least_run: LEAST_RUN,
            tally: Tally::default(),
            latest: None,
        }
    }
}

impl Draft {
    /// The number of a project; an empty name means the one of jobs that name none.
    ///
    /// # Panics
    ///
    /// If there are more than 2^32 projects: memory ends before.
    pub fn project(&mut self, name: &str) -> u32 {
        let name = if name.is_empty() { JobSpec::PROJECT } else { name };
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = u32::try_from(self.projects.len()).expect("projects are fewer than jobs");
        self.projects.push(name.to_owned());
        self.known.insert(name.to_owned(), number);
        number
    }

    /// A draft with another bound: what ran for less than it is left out.
    pub fn with_least_run(least_run: Span) -> Self {
        Self { least_run, ..Self::default() }
    }

    /// The number of a shape.
    ///
    /// # Panics
    ///
    /// If there are more than 2^32 shapes: memory ends before.
    pub fn shape(&mut self, shape: Shape) -> u32 {
        if let Some(number) = self.known_shapes.get(&shape) {
            return *number;
        }
        let number = u32::try_from(self.shapes.len()).expect("shapes are fewer than jobs");
        self.shapes.push(shape.clone());
        self.known_shapes.insert(shape, number);
        number
    }

    /// Adds a record if the rules let it in. `submit_ms` may be negative, and then is left out;
    /// so is what ran for less than a second or has no processors. `job.submit` is set from it.
    pub fn add(&mut self, submit_ms: i64, job: Job) {
        self.tally.records += 1;
        if self.latest.is_some_and(|latest| submit_ms < latest) {
            self.tally.unsorted += 1;
        }
        self.latest = self.latest.max(Some(submit_ms));
        let Ok(submit) = u64::try_from(submit_ms) else {
            return self.tally.skip(Rule::NegativeSubmit, 1);
        };
        if job.run < self.least_run {
            return self.tally.skip(Rule::TooShort, 1);
        }
        if job.cpus.as_milli() == 0 {
            return self.tally.skip(Rule::NoProcessors, 1);
        }
        self.jobs.push(Job { submit: Span::from_millis(submit), ..job });
    }

    /// Counts records that a rule leaves out before they are added.
    pub fn skip(&mut self, rule: Rule, count: u64) {
        self.tally.records += count;
        self.tally.skip(rule, count);
    }

    /// The shape of this number.
    pub fn shape_of(&self, shape: u32) -> &Shape {
        &self.shapes[shape as usize]
    }

    /// How many jobs were let in.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether none was let in.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The workload: by submission, those of one moment as they came.
    pub fn finish(mut self, processors: Option<u64>, unread: Vec<String>) -> Workload {
        self.jobs.sort_by_key(|job| job.submit);
        if self.projects.is_empty() {
            self.project("");
        }
        let tally = Tally { unread, ..self.tally };
        let (jobs, shapes, projects) = (self.jobs, self.shapes, self.projects);
        Workload { jobs, shapes, projects, processors, by_task: false, tally }
    }
}
