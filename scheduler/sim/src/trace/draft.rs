//! A workload in the making: the filter, the projects, the order.

use std::collections::BTreeMap;

use repower_model::{JobSpec, Span};

use super::{Job, Rule, Tally, Workload};

/// Shorter jobs are left out: traces have jobs of 0 s that never did anything.
const LEAST_RUN: Span = Span::from_secs(1);

/// A workload in the making.
#[derive(Debug, Default)]
pub struct Draft {
    jobs: Vec<Job>,
    projects: Vec<String>,
    known: BTreeMap<String, u32>,
    tally: Tally,
    /// The latest submission so far, good or not.
    latest: Option<i64>,
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

    /// Adds a record if the rules let it in. `submit_ms` may be negative, and then is left out;
    /// so is what ran for less than a second or has no processors. `job.submit` is set from it.
    pub fn add(&mut self, submit_ms: i64, job: Job) {
        self.tally.records += 1;
        if self.latest.is_some_and(|latest| submit_ms < latest) {
            self.tally.unsorted += 1;
        }
        self.latest = self.latest.max(Some(submit_ms));
        let Ok(submit) = u64::try_from(submit_ms) else {
            return self.skip(Rule::NegativeSubmit);
        };
        if job.run < LEAST_RUN {
            return self.skip(Rule::TooShort);
        }
        if job.cpus.as_milli() == 0 {
            return self.skip(Rule::NoProcessors);
        }
        self.jobs.push(Job { submit: Span::from_millis(submit), ..job });
    }

    /// Counts a record that a rule leaves out.
    pub fn skip(&mut self, rule: Rule) {
        self.tally.skip(rule, 1);
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
        Workload { jobs: self.jobs, projects: self.projects, processors, tally }
    }
}
