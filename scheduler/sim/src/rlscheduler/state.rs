//! The loop itself. Lists keep their order between stable sorts: that is what decides among equals.

use repower_core::plan::Discipline;
use repower_model::Span;

use super::Backfill;
use super::score::score;
use crate::trace::{Job, Workload};

/// A job that runs: its place in the workload, and what it holds.
#[derive(Debug, Clone, Copy)]
struct Running {
    job: usize,
    end_ms: u64,
    estimated_end_ms: u64,
}

#[derive(Debug)]
pub(super) struct State<'a> {
    jobs: &'a [Job],
    policy: Discipline,
    now_ms: u64,
    free_milli: u64,
    queue: Vec<usize>,
    running: Vec<Running>,
    next: usize,
    pub(super) starts: Vec<Option<Span>>,
}

impl<'a> State<'a> {
    pub(super) fn new(workload: &'a Workload, cpu_milli: u64, policy: Discipline) -> Self {
        Self {
            jobs: &workload.jobs,
            policy,
            now_ms: 0,
            free_milli: cpu_milli,
            queue: Vec::new(),
            running: Vec::new(),
            next: 0,
            starts: vec![None; workload.jobs.len()],
        }
    }

    /// Picks and commits, until nothing is left.
    pub(super) fn run(&mut self, backfill: Backfill) {
        while self.queue_one() {
            let (jobs, policy) = (self.jobs, self.policy);
            self.queue.sort_by(|a, b| {
                let (a, b) = (score(policy, &jobs[*a]), score(policy, &jobs[*b]));
                a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
            });
            let picked = self.queue[0];
            match backfill {
                Backfill::Off => self.wait_for(picked),
                Backfill::On => self.backfill_until(picked),
            }
            self.start(picked);
        }
    }

    fn fits(&self, job: usize) -> bool {
        self.jobs[job].cpus.as_milli() <= self.free_milli
    }

    fn start(&mut self, job: usize) {
        let asked = &self.jobs[job];
        self.starts[job] = Some(Span::from_millis(self.now_ms));
        self.free_milli -= asked.cpus.as_milli();
        self.running.push(Running {
            job,
            end_ms: self.now_ms + asked.run.as_millis(),
            estimated_end_ms: self.now_ms + asked.estimate.as_millis(),
        });
        self.queue.retain(|queued| *queued != job);
    }

    fn wait_for(&mut self, picked: usize) {
        while !self.fits(picked) {
            self.step();
        }
    }

    /// Lets others go first that end, by their estimates, before the picked one could start. That
    /// moment is found once.
    fn backfill_until(&mut self, picked: usize) {
        if self.fits(picked) {
            return;
        }
        let shadow_ms = self.shadow_ms(picked);
        while !self.fits(picked) {
            let jobs = self.jobs;
            self.queue.sort_by_key(|job| jobs[*job].submit);
            for job in self.queue.clone() {
                let ends_ms = self.now_ms + jobs[job].estimate.as_millis();
                if ends_ms < shadow_ms && self.fits(job) {
                    self.start(job);
                }
            }
            self.step();
        }
    }

    fn shadow_ms(&mut self, picked: usize) -> u64 {
        self.running.sort_by_key(|running| running.estimated_end_ms);
        let mut free_milli = self.free_milli;
        let mut shadow_ms = self.now_ms;
        for running in &self.running {
            free_milli += self.jobs[running.job].cpus.as_milli();
            shadow_ms = running.estimated_end_ms;
            if free_milli >= self.jobs[picked].cpus.as_milli() {
                break;
            }
        }
        shadow_ms
    }

    /// Goes to the next arrival or end, whichever comes first; an arrival if both come at once.
    fn step(&mut self) {
        self.running.sort_by_key(|running| running.end_ms);
        let end_ms = self.running.first().map_or(u64::MAX, |running| running.end_ms);
        let arrival = self.jobs.get(self.next).map(|job| job.submit.as_millis());
        if let Some(submit_ms) = arrival.filter(|submit_ms| *submit_ms <= end_ms) {
            self.now_ms = self.now_ms.max(submit_ms);
            self.queue.push(self.next);
            self.next += 1;
        } else if !self.running.is_empty() {
            self.now_ms = self.now_ms.max(end_ms);
            let ended = self.running.remove(0);
            self.free_milli += self.jobs[ended.job].cpus.as_milli();
        }
    }

    /// Sees to it that somebody waits. Returns whether anybody does.
    fn queue_one(&mut self) -> bool {
        while self.queue.is_empty() && self.next < self.jobs.len() {
            self.step();
        }
        !self.queue.is_empty()
    }
}
