//! How much work there is, and how true estimates have been: what the default order scales with.

use repower_model::{Cpus, Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Of how many tasks' work the accuracy of estimates is remembered, about.
const ACCURACY_MEMORY: f64 = 100.0;
/// For how many jobs the largest backlog is remembered, about.
const PEAK_MEMORY: f64 = 2000.0;

/// How much work runs, and how true estimates have been. All of it in thousandths of processors
/// times milliseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Backlog {
    /// Sum over running tasks whose end lies ahead: processors times the moment of the end.
    ends: i128,
    /// Their processors.
    running: i128,
    /// Processors of running tasks of which nobody knows the end.
    blind: i128,
    /// Work that was done by late tasks, and what had been estimated for them.
    done: f64,
    estimated: f64,
    /// The largest calibrated backlog, slowly forgotten, in milliseconds of the whole cell.
    peak: f64,
}

impl Backlog {
    /// A task holds processors until a moment.
    pub(crate) fn starts(&mut self, cpus: Cpus, until: Option<Timestamp>, now: Timestamp) {
        self.count(i128::from(cpus.as_milli()), until, now);
    }

    /// A task that has held processors until a moment gives them back, or runs on beyond it from
    /// now on.
    pub(crate) fn ends(&mut self, cpus: Cpus, until: Option<Timestamp>, now: Timestamp) {
        self.count(-i128::from(cpus.as_milli()), until, now);
    }

    fn count(&mut self, cpus: i128, until: Option<Timestamp>, now: Timestamp) {
        match until {
            None => self.blind += cpus,
            Some(until) if until > now => {
                self.ends += cpus * i128::from(until.as_millis());
                self.running += cpus;
            }
            Some(_) => {}
        }
    }

    /// A task has ended that had been estimated to take so long.
    pub(crate) fn learns(&mut self, cpus: Cpus, took: Span, estimated: Span) {
        let keep = 1.0 - 1.0 / ACCURACY_MEMORY;
        self.done = self.done * keep + work(cpus, took);
        self.estimated = self.estimated * keep + work(cpus, estimated);
    }

    /// Work done of work estimated, lately; 1 while nothing has ended.
    pub fn accuracy(&self) -> f64 {
        if self.estimated > 0.0 { self.done / self.estimated } else { 1.0 }
    }

    /// How long the whole cell would work to clear what runs and `queued`, in milliseconds by the
    /// estimates. What has no end that is known counts for `unknown`.
    #[expect(clippy::cast_precision_loss, reason = "an order needs no more than 53 bits")]
    pub fn clears_in_ms(&self, now: Timestamp, queued: u128, unknown: Span, total: Cpus) -> f64 {
        let running = self.ends - self.running * i128::from(now.as_millis());
        let blind = self.blind * i128::from(unknown.as_millis());
        (queued as f64 + (running + blind) as f64) / total.as_milli().max(1000) as f64
    }

    /// The largest backlog of late, after one more job has met one of this length.
    pub(crate) fn meets(&mut self, backlog_ms: f64) -> f64 {
        self.peak = (self.peak * (1.0 - 1.0 / PEAK_MEMORY)).max(backlog_ms);
        self.peak
    }
}

#[expect(clippy::cast_precision_loss, reason = "an order needs no more than 53 bits")]
fn work(cpus: Cpus, span: Span) -> f64 {
    cpus.as_milli() as f64 * span.as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_beyond_its_end_counts_no_more() {
        let at = Timestamp::from_millis;
        let (cpus, total, hour) = (Cpus::from_whole(2), Cpus::from_whole(4), Span::from_secs(3600));
        let mut backlog = Backlog::default();
        backlog.starts(cpus, Some(at(100)), at(0));
        backlog.starts(cpus, Some(at(300)), at(0));

        let before = backlog.clears_in_ms(at(0), 0, hour, total);
        backlog.ends(cpus, Some(at(100)), at(0));
        let after = backlog.clears_in_ms(at(100), 0, hour, total);
        backlog.ends(cpus, Some(at(100)), at(150));

        assert!((before - 200.0).abs() < 1e-9, "{before}");
        assert!((after - 100.0).abs() < 1e-9, "{after}");
        let late = backlog.clears_in_ms(at(150), 0, hour, total);
        assert!((late - 75.0).abs() < 1e-9, "it was off the count already: {late}");
    }

    #[test]
    fn estimates_that_are_twice_too_long_are_half_true() {
        let mut backlog = Backlog::default();
        assert!((backlog.accuracy() - 1.0).abs() < 1e-9);

        for _ in 0..10 {
            backlog.learns(Cpus::from_whole(1), Span::from_secs(5), Span::from_secs(10));
        }

        assert!((backlog.accuracy() - 0.5).abs() < 1e-9);
    }
}
