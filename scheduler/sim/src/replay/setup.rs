//! What a replay runs on, and by which rules.

use repower_core::plan::Discipline;

use super::Faults;
use crate::trace::Machine;

/// The class that the jobs of a trace declare.
pub const CLASS: &str = "trace";

/// What a replay runs on, and by which rules.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The policy that the cell adopts: TOML. It lets the class [`CLASS`] run; see [`policy_text`].
    pub policy: String,
    /// When the engine is asked for places.
    pub rule: Rule,
    /// Nodes that fail.
    pub faults: Option<Faults>,
    /// Whether to keep what waits and runs after each instant.
    pub sampled: bool,
    /// Whether to hold the engine to its invariants after each instant. Costs time.
    pub checked: bool,
}

impl<'a> Setup<'a> {
    /// A machine that does not fail, under a policy.
    pub fn new(machine: &'a Machine, policy: String) -> Self {
        let (rule, faults) = (Rule::default(), None);
        Self { machine, policy, rule, faults, sampled: false, checked: false }
    }
}

/// When the engine is asked for places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// Once, when all of an instant has happened.
    #[default]
    Instant,
    /// After each single completion and each single arrival, as CQSim does.
    Event,
}

/// A policy that lets the jobs of a trace run, and schedules them by a discipline.
pub fn policy_text(discipline: Discipline) -> String {
    format!(
        "policy-version = \"replay-{discipline}\"\n\n\
         [class.{CLASS}]\ntier = \"permitted\"\nabout = \"a job of a trace\"\n\n\
         [scheduling]\npolicy = \"{discipline}\"\n"
    )
}
