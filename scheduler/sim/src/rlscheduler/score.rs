//! The scores by which the loop picks: the lowest goes first.

use repower_core::plan::Discipline;

use crate::trace::Job;

/// Keeps logarithms and quotients away from zero, as the authors do.
const TINY: f64 = 1e-15;

/// Whether there is a score for a policy.
pub(super) fn has(policy: Discipline) -> bool {
    !matches!(
        policy,
        Discipline::Easy | Discipline::EasySjf | Discipline::Conservative | Discipline::Repower
    )
}

/// The score of a waiting job, and what decides among equals.
pub(super) fn score(policy: Discipline, job: &Job) -> (f64, f64) {
    let (submit, estimate) = (seconds(job.submit), seconds(job.estimate));
    let cpus = float(job.cpus.as_milli()) / 1000.0;
    // A job that waits is taken to be scheduled at second -1.
    let wait = -1.0 - submit;
    let above = |number: f64| libm::log10(if number > 0.0 { number } else { 0.1 });
    let value = match policy {
        Discipline::Sjf => return (estimate, submit),
        Discipline::Wfp3 => -libm::pow(wait / estimate, 3.0) * cpus,
        Discipline::Unicef => -(wait + TINY) / (libm::log2(cpus + TINY) * estimate),
        Discipline::F1 => above(estimate) * cpus + 870.0 * above(submit),
        Discipline::F2 => estimate.sqrt() * cpus + 25_600.0 * above(submit),
        Discipline::F3 => estimate * cpus + 6_860_000.0 * above(submit),
        Discipline::F4 => estimate * cpus.sqrt() + 530_000.0 * above(submit),
        Discipline::Fcfs
        | Discipline::Easy
        | Discipline::EasySjf
        | Discipline::Conservative
        | Discipline::Repower => submit,
    };
    (value, 0.0)
}

fn seconds(span: repower_model::Span) -> f64 {
    float(span.as_millis()) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of traces are far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
