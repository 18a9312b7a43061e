//! What short tasks leave to the next ones of their job.
//!
//! An array of tasks that last for seconds is one long task to the judge of registers, or none of them would ever be
//! looked at long enough.

use std::collections::BTreeMap;

use repower_agent_core::Now;
use repower_agent_core::detect::{Carried, RoundingSettings};
use repower_model::{JobId, Span};

/// The most jobs of which something is kept; the one that was quiet longest makes room.
const JOBS: usize = 1000;

/// What the tasks of jobs have left on this node.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    left: BTreeMap<JobId, (Now, Carried)>,
}

impl Jobs {
    /// A task of the job has ended, and left this.
    pub(super) fn ended(
        &mut self,
        job: JobId,
        left: Carried,
        settings: &RoundingSettings,
        now: Now,
    ) {
        self.forget(settings.memory, now);
        if left.is_empty() {
            return;
        }
        if self.left.len() >= JOBS && !self.left.contains_key(&job) {
            let quiet = self.left.iter().min_by_key(|(_, (at, _))| at.steady).map(|(job, _)| *job);
            quiet.map(|quiet| self.left.remove(&quiet));
        }
        let (at, carried) = self.left.entry(job).or_default();
        *at = now;
        carried.add(left, settings);
    }

    /// What a task of the job that begins to be looked at goes on from.
    pub(super) fn begins(&mut self, job: JobId) -> Carried {
        self.left.get_mut(&job).map(|(_, carried)| carried.part()).unwrap_or_default()
    }

    /// What is older than the judge remembers is of no use.
    fn forget(&mut self, memory: Span, now: Now) {
        self.left.retain(|_, (at, _)| now.steady.since(at.steady) <= memory);
    }
}

#[cfg(test)]
mod tests {
    use repower_agent_core::Moment;
    use repower_agent_core::detect::{Detector, Mode, Registers, Response, Sample, Settings};
    use repower_model::Timestamp;

    use super::*;

    /// A task of the job that is looked at ten times.
    fn task(jobs: &mut Jobs, job: u64, second: u64) -> Response {
        let now = |second: u64| Now {
            wall: Timestamp::from_millis(i64::try_from(second * 1000).unwrap()),
            steady: Moment::from_millis(second * 1000),
        };
        let mut detector = Detector::new(Settings::default());
        detector.carry_on(jobs.begins(JobId(job)));
        for n in 0..10 {
            let sse = Mode::from_bits(u32::try_from(n).unwrap());
            let (process, x87) = (u32::try_from(second).unwrap(), Mode::Nearest);
            let sample = Sample::Registers(Registers { process, thread: process, sse, x87 });
            detector.observe(&sample, now(second + n));
        }
        let settings = Settings::default().rounding;
        let end = now(second + 10);
        jobs.ended(JobId(job), detector.leave(end), &settings, end);
        detector.response()
    }

    #[test]
    fn tasks_of_one_job_add_up_and_those_of_others_do_not() {
        let mut jobs = Jobs::default();

        let one: Vec<_> = (0..4).map(|n| task(&mut jobs, 1, n * 12)).collect();
        let others: Vec<_> = (10..40).map(|job| task(&mut jobs, job, job * 12)).collect();

        assert_eq!(one, [Response::None, Response::None, Response::None, Response::Freeze]);
        assert!(others.iter().all(|one| *one == Response::None));
    }

    #[test]
    fn what_a_job_has_left_is_bounded_and_forgotten() {
        let mut jobs = Jobs::default();

        for job in 0..2 * u64::try_from(JOBS).unwrap() {
            task(&mut jobs, job, job);
        }
        assert_eq!(jobs.left.len(), JOBS);
        task(&mut jobs, 1, 100_000);

        assert_eq!(jobs.left.len(), 1);
    }
}
