//! Sums, means and percentiles.

use repower_model::Span;

use super::{Project, wait};
use crate::replay::Run;
use crate::trace::Job;

/// A count as a float: what is counted here is far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of traces are far below 2^53")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn wide(number: u128) -> f64 {
    number as f64
}

/// Sums over jobs, exact but for the slowdowns.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    pub(super) jobs: u64,
    wait_ms: u128,
    pub(super) max_wait: Span,
    bsld: f64,
    /// Thousandths of processors times milliseconds.
    pub(super) cpu: u128,
    /// GPUs times milliseconds.
    pub(super) gpu: u128,
}

impl Sum {
    pub(super) fn add(&mut self, job: &Job, gpus: u64, run: &Run, bsld: f64) {
        let waited = wait(job, run);
        self.jobs += 1;
        self.wait_ms += u128::from(waited.as_millis());
        self.max_wait = self.max_wait.max(waited);
        self.bsld += bsld;
        let ran = u128::from(job.run.as_millis());
        self.cpu += ran * u128::from(job.cpus.as_milli());
        self.gpu += ran * u128::from(gpus);
    }

    pub(super) fn mean_wait_s(&self) -> f64 {
        wide(self.wait_ms) / 1000.0 / float(self.jobs.max(1))
    }

    pub(super) fn mean_bsld(&self) -> f64 {
        self.bsld / float(self.jobs.max(1))
    }

    pub(super) fn project(&self, name: &str) -> Project {
        const CPU_MILLI_MS_PER_HOUR: f64 = 3.6e9;
        Project {
            name: name.to_owned(),
            jobs: self.jobs,
            mean_wait_s: self.mean_wait_s(),
            mean_bsld: self.mean_bsld(),
            cpu_hours: wide(self.cpu) / CPU_MILLI_MS_PER_HOUR,
        }
    }

    /// The mean slowdowns of those projects that have any job.
    pub(super) fn projects(sums: &[Self]) -> Vec<f64> {
        sums.iter().filter(|sum| sum.jobs > 0).map(Self::mean_bsld).collect()
    }
}

/// Which part of what there is in a span was used.
pub(super) fn share(used: u128, capacity: u64, span: Span) -> f64 {
    let all = u128::from(capacity) * u128::from(span.as_millis());
    if all == 0 { 0.0 } else { wide(used) / wide(all) }
}

/// The value with `percent` of the sorted values before it: the one at place `n * percent / 100`,
/// rounded down and counted from 0; 0 of nothing. No value is made up between two.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(0.0)
}

/// Jain's index of fairness: (sum x)^2 / (n * sum x^2), 1 for equal values, 1/n if one has all.
///
/// Jain, Chiu and Hawe, DEC-TR-301, 1984.
pub fn jain(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|value| value * value).sum();
    if squares > 0.0 { sum * sum / (float(values.len() as u64) * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_with_so_many_before_it() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();

        let at = |percent| percentile(&values, percent).to_string();

        assert_eq!([at(0), at(50), at(95), at(100)], ["0", "10", "19", "19"]);
        assert_eq!(percentile(&[], 50).to_string(), "0");
    }

    #[test]
    fn fairness_is_one_for_equals_and_one_in_n_if_one_has_all() {
        assert_eq!(jain(&[3.0, 3.0, 3.0]).to_string(), "1");
        assert_eq!(jain(&[5.0, 0.0, 0.0, 0.0]).to_string(), "0.25");
        assert_eq!(jain(&[]).to_string(), "1");
    }
}
