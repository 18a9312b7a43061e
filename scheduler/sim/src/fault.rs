//! What may go wrong in a world.

use std::collections::BTreeSet;
use std::fmt;

use crate::dice::Dice;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Links break, and both ends notice soon.
    Breaks,
    /// Nodes cannot be reached for a while, and nobody notices at once.
    Partitions,
    /// Partitions in which messages pass one way only.
    OneWay,
    /// Messages are held up on their way.
    Delays,
    /// Agents are killed with their tasks, and come back as another instance.
    AgentCrashes,
    /// Agents end in order, and come back as another instance.
    AgentLeaves,
    /// The scheduler is killed and recovers from its journal.
    SchedulerCrashes,
    /// A commit fails; the scheduler goes back to what is durable.
    CommitFailures,
    /// The scheduler's wall clock is stepped by up to hours.
    ClockSteps,
    /// The clocks of nodes run up to 1 % fast or slow.
    Drift,
    /// Nodes on which every task fails, or cannot be started.
    BlackHoles,
    /// Operators drain, resume and reserve nodes.
    Drains,
    /// People cancel jobs, whole or in part.
    Cancels,
    /// Submissions are sent twice, and answers get lost.
    Duplicates,
    /// Reports of a link that is gone still arrive, after the hello of the next one.
    LateReports,
    /// Another policy is adopted.
    Policies,
    /// An agent comes back with another capacity.
    Refits,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Breaks,
        Self::Partitions,
        Self::OneWay,
        Self::Delays,
        Self::AgentCrashes,
        Self::AgentLeaves,
        Self::SchedulerCrashes,
        Self::CommitFailures,
        Self::ClockSteps,
        Self::Drift,
        Self::BlackHoles,
        Self::Drains,
        Self::Cancels,
        Self::Duplicates,
        Self::LateReports,
        Self::Policies,
        Self::Refits,
    ];

    /// Its name, as the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Partitions => "partitions",
            Self::OneWay => "one-way",
            Self::Delays => "delays",
            Self::AgentCrashes => "agent-crashes",
            Self::AgentLeaves => "agent-leaves",
            Self::SchedulerCrashes => "scheduler-crashes",
            Self::CommitFailures => "commit-failures",
            Self::ClockSteps => "clock-steps",
            Self::Drift => "drift",
            Self::BlackHoles => "black-holes",
            Self::Drains => "drains",
            Self::Cancels => "cancels",
            Self::Duplicates => "duplicates",
            Self::LateReports => "late-reports",
            Self::Policies => "policies",
            Self::Refits => "refits",
        }
    }

    /// The fault of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// The kinds of trouble that one world has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    on: BTreeSet<Fault>,
}

impl Faults {
    /// The faults of the world of a seed: each is on in two of three worlds, and each eighth world
    /// has one alone.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "which faults");
        if dice.below(8) == 0 {
            return [*dice.pick(&Fault::ALL)].into_iter().collect();
        }
        Fault::ALL.into_iter().filter(|_| dice.chance(667)).collect()
    }

    /// Whether one is on.
    pub fn has(&self, fault: Fault) -> bool {
        self.on.contains(&fault)
    }

    /// Those that are on.
    pub fn iter(&self) -> impl Iterator<Item = Fault> + '_ {
        self.on.iter().copied()
    }

    /// All of these but one.
    #[must_use]
    pub fn without(&self, fault: Fault) -> Self {
        self.iter().filter(|one| *one != fault).collect()
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self { on: faults.into_iter().collect() }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.on.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<_> = self.iter().map(Fault::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_named_once_and_found_by_its_name() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();

        assert_eq!(names.len(), Fault::ALL.len());
        assert!(Fault::ALL.into_iter().all(|fault| Fault::named(fault.name()) == Some(fault)));
    }
}
