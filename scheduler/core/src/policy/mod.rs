//! The policy: which classes of work there are, and how each is treated.
//!
//! A policy is a versioned TOML text; no law stands in this code. The text is adopted whole, its
//! hash stands in every decision that it led to, and a new policy never rewrites old decisions.

mod file;
mod scheduling;

use std::collections::BTreeMap;
use std::fmt;

use repower_model::{Egress, Hash, Isolation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use file::PolicyError;
pub use scheduling::{Preemption, Project, Quota, Scheduling};

/// The policy that is in force where the operator brings none.
pub const DEFAULT: &str = include_str!("default.toml");

/// How a class of work is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Runs; the jurisdiction wants it.
    Encouraged,
    /// Runs.
    Permitted,
    /// Runs after a named person has approved it with a reason.
    Review,
    /// Never runs, under any name.
    Prohibited,
}

impl Tier {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encouraged => "encouraged",
            Self::Permitted => "permitted",
            Self::Review => "review",
            Self::Prohibited => "prohibited",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One class of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// How it is treated.
    pub tier: Tier,
    /// What it is, in a sentence.
    pub about: String,
    /// The entry of the jurisdiction's catalogue that it falls under; may be empty.
    pub entry: String,
    /// The least isolation of its jobs.
    pub isolation: Isolation,
    /// What of the network its jobs reach if they do not say.
    pub egress: Egress,
}

/// A policy that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its own version.
    pub version: String,
    /// SHA-256 of its text.
    pub hash: Hash,
    /// Its text.
    pub text: String,
    /// The edition of the catalogue that entries are quoted from.
    pub edition: String,
    /// Its classes by name.
    pub classes: BTreeMap<String, Class>,
    /// How tasks are ordered.
    pub scheduling: Scheduling,
    /// What projects may have, by name; those that are not named have the usual share and no quota.
    pub projects: BTreeMap<String, Project>,
}

impl Policy {
    /// Reads a policy from its TOML text.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with line, column and the nearest right key, for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// The names of the classes that may run, in order.
    pub fn runnable(&self) -> Vec<String> {
        let runs = self.classes.iter().filter(|(_, class)| class.tier != Tier::Prohibited);
        runs.map(|(name, _)| name.clone()).collect()
    }

    /// The known class that looks most like `name`, if any does.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.classes.keys().map(String::as_str)).map(str::to_owned)
    }
}

impl Serialize for Policy {
    /// As its text: the rest is derived from it.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of some bytes.
pub fn hash_of(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The candidate that looks most like `word` (Jaro-Winkler), if one looks much like it.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.75;
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_forbids_mining_and_lets_science_run() {
        let policy = Policy::parse(DEFAULT).unwrap();

        assert_eq!(policy.classes["pow-mining"].tier, Tier::Prohibited);
        assert_eq!(policy.classes["sci-simulation"].tier, Tier::Encouraged);
        assert_eq!(policy.classes["hash-heavy"].tier, Tier::Review);
        assert!(!policy.classes["pow-mining"].entry.is_empty());
        assert!(!policy.runnable().contains(&"pow-mining".to_owned()));
    }

    #[test]
    fn a_misspelt_class_has_a_nearest_one() {
        let policy = Policy::parse(DEFAULT).unwrap();

        assert_eq!(policy.nearest("ai-trainning").as_deref(), Some("ai-training"));
        assert_eq!(policy.nearest("qqq"), None);
    }
}
