//! What the planner must know of a task to find it a place.

use repower_model::{Ability, Constraints, Cpus, Gang, JobSpec, Resources, Span};
use serde::{Deserialize, Serialize};

use crate::plan::UNKNOWN;

/// What the planner must know of a task to find it a place: tasks of one shape are placed alike, so
/// the cost of a pass follows the shapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shape {
    /// Who pays: quotas and reservations ask.
    pub project: String,
    /// What one task, or one rank of a gang, needs.
    pub resources: Resources,
    /// Other amounts that would do, best first.
    pub alternatives: Vec<Resources>,
    /// Which nodes will do.
    pub constraints: Constraints,
    /// What they must be able to do.
    pub needs: Vec<Ability>,
    /// Ranks that start together.
    pub gang: Option<Gang>,
    /// How long it will take, by the user's word or else by its limit; `None`: nobody knows.
    pub estimate: Option<Span>,
    /// How long it may keep its place: its limit, or else the estimate; `None`: for ever.
    pub bound: Option<Span>,
}

/// The number of a shape among those that are known; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShapeId(pub u64);

impl Shape {
    /// The shape of a job's tasks.
    pub fn of(spec: &JobSpec) -> Self {
        Self {
            project: spec.project.clone(),
            resources: spec.resources.clone(),
            alternatives: spec.alternatives.clone(),
            constraints: spec.constraints.clone(),
            needs: spec.abilities(),
            gang: spec.gang,
            estimate: spec.expected.or(spec.time_limit),
            bound: spec.time_limit.or(spec.expected),
        }
    }

    /// The amounts that would do, best first, each with its number: 0, then the alternatives.
    pub fn choices(&self) -> impl Iterator<Item = (u32, &Resources)> {
        (0..).zip(std::iter::once(&self.resources).chain(&self.alternatives))
    }

    /// The fewest processors on one node with which any of it can start.
    pub fn least_cpus(&self) -> Cpus {
        self.choices().map(|(_, amounts)| amounts.cpus).min().unwrap_or_default()
    }

    /// What a task takes in all, as first chosen.
    pub fn whole(&self) -> Resources {
        let ranks = self.gang.map_or(1, |gang| u64::from(gang.ranks()));
        self.resources.times(ranks)
    }

    /// What a task would take, by the estimate: thousandths of processors times milliseconds.
    pub fn work(&self) -> u128 {
        let takes = self.estimate.unwrap_or(UNKNOWN);
        u128::from(self.processors().as_milli()) * u128::from(takes.as_millis())
    }

    /// How many processors a task takes in all, as first chosen.
    pub fn processors(&self) -> Cpus {
        let ranks = self.gang.map_or(1, |gang| u64::from(gang.ranks()));
        Cpus::from_milli(self.resources.cpus.as_milli().saturating_mul(ranks))
    }
}
