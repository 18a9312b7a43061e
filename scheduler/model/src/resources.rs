//! What a task asks for and what a node has: amounts in several dimensions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bytes, Cpus};

/// Amounts in every dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Processors.
    pub cpus: Cpus,
    /// Main memory.
    pub memory: Bytes,
    /// Space on the disk that holds the folders of tasks.
    pub disk: Bytes,
    /// Countable things that an operator has named, by name: ascending, no name twice, no zero.
    pub extras: Vec<(String, u64)>,
}

/// One dimension of [`Resources`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dimension {
    /// Processors, in thousandths.
    Cpus,
    /// Main memory, in bytes.
    Memory,
    /// Disk, in bytes.
    Disk,
    /// A countable thing, in units.
    Extra(String),
}

impl Dimension {
    /// Writes an amount of this dimension as a person would.
    pub fn show(&self, amount: u64) -> String {
        match self {
            Self::Cpus => Cpus::from_milli(amount).to_string(),
            Self::Memory | Self::Disk => Bytes::new(amount).to_string(),
            Self::Extra(_) => amount.to_string(),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpus => f.write_str("cpus"),
            Self::Memory => f.write_str("memory"),
            Self::Disk => f.write_str("disk"),
            Self::Extra(name) => f.write_str(name),
        }
    }
}

/// A dimension in which more is asked than given. Amounts are in the dimension's own unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Where.
    pub dimension: Dimension,
    /// How much is asked for.
    pub asked: u64,
    /// How much there is.
    pub given: u64,
}

impl Resources {
    /// How much of a countable thing; 0 if it is not named.
    pub fn extra(&self, name: &str) -> u64 {
        self.extras
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
            .map_or(0, |at| self.extras[at].1)
    }

    /// Whether `asked` can be taken from this.
    pub fn holds(&self, asked: &Self) -> bool {
        self.cpus >= asked.cpus
            && self.memory >= asked.memory
            && self.disk >= asked.disk
            && asked.extras.iter().all(|(name, amount)| self.extra(name) >= *amount)
    }

    /// The dimensions in which `asked` is more than this has, in fixed order.
    pub fn shortages(&self, asked: &Self) -> Vec<Shortage> {
        let fixed = Dimension::fixed().map(|dimension| {
            let (wanted, given) = (asked.amount(&dimension), self.amount(&dimension));
            Shortage { dimension, asked: wanted, given }
        });
        let extras = asked.extras.iter().map(|(name, amount)| Shortage {
            dimension: Dimension::Extra(name.clone()),
            asked: *amount,
            given: self.extra(name),
        });
        fixed.into_iter().chain(extras).filter(|one| one.asked > one.given).collect()
    }

    /// The amount in one dimension, in the dimension's own unit.
    pub fn amount(&self, dimension: &Dimension) -> u64 {
        match dimension {
            Dimension::Cpus => self.cpus.as_milli(),
            Dimension::Memory => self.memory.as_u64(),
            Dimension::Disk => self.disk.as_u64(),
            Dimension::Extra(name) => self.extra(name),
        }
    }

    /// How much of `total` this is, in the dimension in which it is most: 0 to 1, or more if it
    /// is more than there is. What `total` has none of counts nothing.
    ///
    /// The dominant share of Ghodsi et al., NSDI 2011.
    #[expect(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
    pub fn part_of(&self, total: &Self) -> f64 {
        let fixed = Dimension::fixed()
            .map(|dimension| (self.amount(&dimension) as f64, total.amount(&dimension) as f64));
        let extras = self.extras.iter().map(|(name, one)| (*one as f64, total.extra(name) as f64));
        let parts = fixed.into_iter().chain(extras).filter(|(_, all)| *all > 0.0);
        parts.map(|(one, all)| one / all).fold(0.0, f64::max)
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, u64::saturating_add)
    }

    /// The same, but for one dimension.
    #[must_use]
    pub fn with(&self, dimension: &Dimension, amount: u64) -> Self {
        let mut other = self.clone();
        match dimension {
            Dimension::Cpus => other.cpus = Cpus::from_milli(amount),
            Dimension::Memory => other.memory = Bytes::new(amount),
            Dimension::Disk => other.disk = Bytes::new(amount),
            Dimension::Extra(name) => {
                other.extras.retain(|(known, _)| known != name);
                other.extras.push((name.clone(), amount));
                other.extras.retain(|(_, amount)| *amount > 0);
                other.extras.sort();
            }
        }
        other
    }

    /// So many times as much.
    #[must_use]
    pub fn times(&self, count: u64) -> Self {
        let extra = |(name, amount): &(String, u64)| (name.clone(), amount.saturating_mul(count));
        Self {
            cpus: Cpus::from_milli(self.cpus.as_milli().saturating_mul(count)),
            memory: Bytes::new(self.memory.as_u64().saturating_mul(count)),
            disk: Bytes::new(self.disk.as_u64().saturating_mul(count)),
            extras: self.extras.iter().map(extra).filter(|(_, amount)| *amount > 0).collect(),
        }
    }

    /// What is left after `other` is taken; zero where it is more.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        self.combine(other, u64::saturating_sub)
    }

    /// How many times `asked` can be taken from this, at most `most`.
    pub fn fits(&self, asked: &Self, most: u32) -> u32 {
        let extras = asked.extras.iter().map(|(name, amount)| (self.extra(name), *amount));
        let fixed =
            Dimension::fixed().map(|dimension| (self.amount(&dimension), asked.amount(&dimension)));
        let times = fixed.into_iter().chain(extras).filter(|(_, asked)| *asked > 0);
        let fewest = times.map(|(given, asked)| given / asked).min();
        fewest.and_then(|fewest| u32::try_from(fewest).ok()).map_or(most, |times| times.min(most))
    }

    fn combine(&self, other: &Self, with: fn(u64, u64) -> u64) -> Self {
        let mut extras = self.extras.clone();
        for (name, amount) in &other.extras {
            match extras.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => extras[at].1 = with(extras[at].1, *amount),
                Err(at) => extras.insert(at, (name.clone(), with(0, *amount))),
            }
        }
        extras.retain(|(_, amount)| *amount > 0);
        Self {
            cpus: Cpus::from_milli(with(self.cpus.as_milli(), other.cpus.as_milli())),
            memory: Bytes::new(with(self.memory.as_u64(), other.memory.as_u64())),
            disk: Bytes::new(with(self.disk.as_u64(), other.disk.as_u64())),
            extras,
        }
    }
}

impl Dimension {
    fn fixed() -> [Self; 3] {
        [Self::Cpus, Self::Memory, Self::Disk]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Resources {
        Resources {
            cpus: Cpus::from_whole(4),
            memory: Bytes::from_gib(8),
            disk: Bytes::from_gib(100),
            extras: vec![("licence".into(), 2)],
        }
    }

    #[test]
    fn a_shortage_names_the_dimension_with_both_amounts() {
        let asked = Resources {
            cpus: Cpus::from_whole(2),
            memory: Bytes::from_gib(16),
            extras: vec![("licence".into(), 3)],
            ..Resources::default()
        };

        let short = node().shortages(&asked);

        assert!(!node().holds(&asked));
        assert_eq!(short.len(), 2);
        assert_eq!(short[0].dimension, Dimension::Memory);
        assert_eq!(
            short[1],
            Shortage { dimension: Dimension::Extra("licence".into()), asked: 3, given: 2 }
        );
    }

    #[test]
    fn as_many_fit_as_the_scarcest_dimension_allows() {
        let asked = Resources {
            cpus: Cpus::from_milli(500),
            memory: Bytes::from_gib(2),
            ..Resources::default()
        };

        assert_eq!(node().fits(&asked, 100), 4);
        assert_eq!(node().fits(&asked, 3), 3);
        assert_eq!(node().fits(&Resources::default(), 7), 7);
        assert!(node().holds(&asked.times(4)) && !node().holds(&asked.times(5)));
    }

    #[test]
    fn taking_and_giving_back_leaves_what_was() {
        let asked = Resources {
            cpus: Cpus::from_milli(500),
            extras: vec![("licence".into(), 2)],
            ..Resources::default()
        };

        let left = node().less(&asked);

        assert_eq!(left.extra("licence"), 0);
        assert_eq!(left.plus(&asked), node());
    }
}
