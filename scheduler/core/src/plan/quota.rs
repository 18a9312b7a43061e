//! What a project may hold at once.

use repower_model::Resources;

use crate::policy::Quota;
use crate::state::{Shape, State};

/// The bound that a project would pass if it got a task of a shape beside what it holds and what it
/// has been `promised`; `None`: it may have it.
pub(super) fn passed<'a>(
    state: &'a State,
    shape: &Shape,
    promised: Option<&Resources>,
) -> Option<&'a Quota> {
    let (policy, _) = state.policy.as_ref()?;
    let project = policy.projects.get(&shape.project)?;
    let mut held = state.shares.held(&shape.project).cloned().unwrap_or_default();
    if let Some(promised) = promised {
        held = held.plus(promised);
    }
    project.passed(&held, &shape.whole())
}

/// Whether a project could have a task of a shape if it did not hold this much of what it holds.
pub(super) fn lets_without(state: &State, shape: &Shape, less: &Resources) -> bool {
    let policy = state.policy.as_ref().map(|(policy, _)| policy);
    let project = policy.and_then(|policy| policy.projects.get(&shape.project));
    let held = state.shares.held(&shape.project).cloned().unwrap_or_default();
    project.is_none_or(|project| project.passed(&held.less(less), &shape.whole()).is_none())
}

/// Whether the policy bounds what a project holds.
pub(super) fn bounds(state: &State, project: &str) -> bool {
    let policy = state.policy.as_ref().map(|(policy, _)| policy);
    let project = policy.and_then(|policy| policy.projects.get(project));
    project.is_some_and(|project| !project.quota.is_empty())
}
