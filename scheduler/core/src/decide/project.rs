//! Names of projects, as commands give them.

use repower_model::JobSpec;

use crate::refusal::Refusal;

/// The longest, in bytes.
const LONGEST: usize = 128;

/// Refuses what no project can be called.
pub(super) fn check(project: &str) -> Result<(), Refusal> {
    let bad = |problem: String| Err(Refusal::BadText { what: "the project", problem });
    if project.trim().is_empty() {
        return bad(format!("is empty; jobs that name none have `{}`", JobSpec::PROJECT));
    }
    if project.len() > LONGEST || project.chars().any(char::is_control) {
        return bad(format!("has a control character in it, or more than {LONGEST} bytes"));
    }
    Ok(())
}
