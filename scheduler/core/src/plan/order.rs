//! In which order jobs go: what each discipline says of a job.

use repower_model::{Span, Timestamp};

use super::{Discipline, UNKNOWN};
use crate::state::{Job, Shape};

/// What a job meets when it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// How long after the cell was founded it could first have gone.
    pub(crate) after: Span,
    /// How long the cell would work to clear what is there, itself included, by the estimates, in
    /// milliseconds.
    pub(crate) backlog_ms: f64,
    /// How true estimates have been: work done of work estimated.
    pub(crate) accuracy: f64,
    /// The largest backlog of late, in milliseconds of real work.
    pub(crate) peak_ms: f64,
}

/// What a discipline says of a job when it comes: less goes first. Constant while the job lives.
///
/// F1 to F4 are those of Carastan-Santos and de Camargo, SC 2017, with the estimate and the time of
/// arrival in seconds.
pub(crate) fn key(discipline: Discipline, shape: &Shape, arrival: &Arrival) -> u64 {
    let takes = || seconds(estimate(shape));
    let size = || processors(shape);
    let came = || log10(seconds(arrival.after));
    match discipline {
        // Ids are given in order of submission.
        Discipline::Fcfs
        | Discipline::Easy
        | Discipline::EasySjf
        | Discipline::Conservative
        | Discipline::Wfp3
        | Discipline::Unicef => 0,
        Discipline::Sjf => estimate(shape).as_millis(),
        Discipline::F1 => ascending(log10(takes()) * size() + 870.0 * came()),
        Discipline::F2 => ascending(libm::sqrt(takes()) * size() + 25_600.0 * came()),
        Discipline::F3 => ascending(takes() * size() + 6_860_000.0 * came()),
        Discipline::F4 => ascending(takes() * libm::sqrt(size()) + 530_000.0 * came()),
        Discipline::Repower => ascending(seconds(arrival.after) * 1000.0 + grant(shape, arrival)),
    }
}

/// How much later, in milliseconds, others may come and still go before a job: its virtual deadline
/// less its arrival.
///
/// Short jobs grant little, so they pass long ones. The longest job grants no more than a quarter
/// more than what is before it will take, itself included, as the estimates have turned out to be
/// worth lately, and than the largest backlog of late. So nothing in it is an absolute time, and
/// nothing is overtaken without bound. Both figures were found by simulation (docs/simulator.md).
fn grant(shape: &Shape, arrival: &Arrival) -> f64 {
    const OF_ESTIMATE: f64 = 40.0;
    const OF_BACKLOG: f64 = 1.25;
    let takes_ms = seconds(estimate(shape)) * 1000.0;
    let clears_ms = arrival.accuracy * (arrival.backlog_ms + takes_ms);
    (OF_ESTIMATE * takes_ms).min(OF_BACKLOG * clears_ms.min(arrival.peak_ms))
}

/// What WFP3 or UNICEF says of a job at a time: less goes first. `None` for the others, whose keys
/// are constant.
pub(crate) fn score(
    discipline: Discipline,
    job: &Job,
    shape: &Shape,
    now: Timestamp,
) -> Option<f64> {
    let wait = seconds(now.since(job.submitted));
    let (takes, size) = (seconds(estimate(shape)).max(1.0), processors(shape));
    match discipline {
        Discipline::Wfp3 => {
            let ratio = wait / takes;
            Some(-(ratio * ratio * ratio * size))
        }
        // One processor, whose logarithm is nothing, goes first as soon as it has waited at all.
        Discipline::Unicef => Some(-(wait / (libm::log2(size).max(1e-9) * takes))),
        Discipline::Fcfs
        | Discipline::Sjf
        | Discipline::Easy
        | Discipline::EasySjf
        | Discipline::Conservative
        | Discipline::F1
        | Discipline::F2
        | Discipline::F3
        | Discipline::F4
        | Discipline::Repower => None,
    }
}

/// How long tasks of a shape are taken to run.
pub(crate) fn estimate(shape: &Shape) -> Span {
    shape.estimate.unwrap_or(UNKNOWN)
}

/// Of seconds; less than one counts as one.
fn log10(seconds: f64) -> f64 {
    libm::log10(seconds.max(1.0))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of years are exact")]
fn seconds(span: Span) -> f64 {
    span.as_millis() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "processors of a cell are exact")]
fn processors(shape: &Shape) -> f64 {
    shape.processors().as_milli() as f64 / 1000.0
}

/// A number whose order is that of the floats.
fn ascending(score: f64) -> u64 {
    let bits = score.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_floats_keep_their_order() {
        let scores = [f64::NEG_INFINITY, -2.5, -0.5, 0.0, 1e-9, 3.0, f64::INFINITY];
        let keys = scores.map(ascending);

        assert!(keys.is_sorted(), "{keys:?}");
    }
}
