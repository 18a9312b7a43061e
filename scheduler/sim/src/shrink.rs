//! Which faults a failure needs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use repower_core::check::Violation;

use crate::fault::Faults;
use crate::transcript::Transcript;
use crate::world::{Failure, Summary, run};

/// Runs a seed; a panic of what is tested counts as a failure.
///
/// # Errors
///
/// [`Failure`] as [`run`] gives it.
pub fn attempt(
    seed: u64,
    faults: &Faults,
    transcript: &mut Transcript,
) -> Result<Summary, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, faults, transcript)));
    outcome.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure {
            at: repower_agent_core::Moment::default(),
            violation: Violation { rule: "nothing panics", detail: words.unwrap_or_default() },
        })
    })
}

/// The fewest faults, left out one by one, with which a seed still breaks the same rule.
pub fn shrink(seed: u64, faults: &Faults, rule: &str) -> Faults {
    let mut needed = faults.clone();
    for fault in faults.iter() {
        let fewer = needed.without(fault);
        let outcome = attempt(seed, &fewer, &mut Transcript::off());
        if outcome.is_err_and(|failure| failure.violation.rule == rule) {
            needed = fewer;
        }
    }
    needed
}
