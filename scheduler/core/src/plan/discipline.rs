//! The queueing disciplines, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In which order tasks go, and what may overtake what.
///
/// All but the last are those of the literature, so that the last can be compared with them. Each
/// sorts by priority first; among equal priorities:
///
/// | name | order | what does not fit |
/// | --- | --- | --- |
/// | `fcfs` | submission | blocks all behind it |
/// | `sjf` | shortest estimate | blocks |
/// | `wfp3` | (wait / estimate)^3 x size, largest first | blocks |
/// | `unicef` | wait / (log2(size) x estimate), largest first | blocks |
/// | `f1` to `f4` | the four learned functions, smallest first | blocks |
/// | `easy` | submission | the first is reserved, others go around it, in order of submission |
/// | `easy-sjf` | submission | the first is reserved, others go around it, shortest first |
/// | `conservative` | submission | each is reserved at its earliest hole |
/// | `repower` | share of the project, then weighted age | see [`plan`](super) |
///
/// Sources: EASY: Lifka 1995; conservative: Mu'alem and Feitelson, TPDS 2001; WFP3 and UNICEF: Tang
/// et al. 2009; F1 to F4: Carastan-Santos and de Camargo, SC 2017.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Discipline {
    /// First come, first served.
    Fcfs,
    /// Shortest job first.
    Sjf,
    /// EASY backfilling.
    Easy,
    /// EASY backfilling, shortest first.
    EasySjf,
    /// Conservative backfilling.
    Conservative,
    /// WFP3.
    Wfp3,
    /// UNICEF.
    Unicef,
    /// log10(estimate) x size + 870 x log10(submission).
    F1,
    /// sqrt(estimate) x size + 25600 x log10(submission).
    F2,
    /// estimate x size + 6860000 x log10(submission).
    F3,
    /// estimate x sqrt(size) + 530000 x log10(submission).
    F4,
    /// Repower's own.
    #[default]
    Repower,
}

impl Discipline {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Fcfs,
        Self::Sjf,
        Self::Easy,
        Self::EasySjf,
        Self::Conservative,
        Self::Wfp3,
        Self::Unicef,
        Self::F1,
        Self::F2,
        Self::F3,
        Self::F4,
        Self::Repower,
    ];

    /// The name, as policies, options and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fcfs => "fcfs",
            Self::Sjf => "sjf",
            Self::Easy => "easy",
            Self::EasySjf => "easy-sjf",
            Self::Conservative => "conservative",
            Self::Wfp3 => "wfp3",
            Self::Unicef => "unicef",
            Self::F1 => "f1",
            Self::F2 => "f2",
            Self::F3 => "f3",
            Self::F4 => "f4",
            Self::Repower => "repower",
        }
    }

    /// Whether what is first in order holds up all others until it starts.
    pub fn lets_none_overtake(self) -> bool {
        match self {
            Self::Easy | Self::EasySjf | Self::Conservative | Self::Repower => false,
            Self::Fcfs
            | Self::Sjf
            | Self::Wfp3
            | Self::Unicef
            | Self::F1
            | Self::F2
            | Self::F3
            | Self::F4 => true,
        }
    }

    /// The discipline of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl fmt::Display for Discipline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_discipline_has_a_name_of_its_own() {
        for one in Discipline::ALL {
            assert_eq!(Discipline::named(one.as_str()), Some(one));
        }
        assert_eq!(Discipline::named("backfill"), None);
    }
}
