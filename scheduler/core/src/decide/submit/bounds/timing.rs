//! Bounds on lengths and moments, and on the signal that comes before them.

use repower_model::{JobSpec, Timestamp};

use super::out;
use crate::refusal::Refusal;

/// Signals that no program can catch: SIGKILL and SIGSTOP.
const DEAF: [i32; 2] = [9, 19];

pub(super) fn check(spec: &JobSpec, now: Timestamp) -> Result<(), Refusal> {
    if let (Some(expected), Some(limit)) = (spec.expected, spec.time_limit)
        && expected > limit
    {
        let allowed = format!("at most the time limit, {limit}");
        return out("the expected duration", expected, allowed);
    }
    if let Some(deadline) = spec.deadline {
        if deadline <= now {
            return Err(Refusal::DeadlinePassed { ago: now.since(deadline) });
        }
        let earliest = spec.start_after.unwrap_or(now).max(now);
        let (left, needed) = (deadline.since(earliest), spec.expected.unwrap_or_default());
        if left <= needed {
            return Err(Refusal::DeadlineTooSoon { left, needed });
        }
    }
    if spec.checkpoint_grace.is_some() && spec.checkpoint_signal.is_none() {
        let problem = "is given, but no checkpoint signal after which it would begin";
        return Err(Refusal::BadText { what: "the checkpoint grace", problem: problem.into() });
    }
    if let Some(code) = spec.checkpoint_exit
        && !(1..=255).contains(&code)
    {
        let allowed = "between 1 and 255: 0 says that all is done";
        return out("the checkpoint exit code", code, allowed.into());
    }
    match spec.checkpoint_signal {
        Some(signal) if !(1..=64).contains(&signal) || DEAF.contains(&signal) => {
            let allowed = "between 1 and 64, and neither 9 nor 19, which no program can catch";
            out("the checkpoint signal", signal, allowed.into())
        }
        Some(_) | None => Ok(()),
    }
}
