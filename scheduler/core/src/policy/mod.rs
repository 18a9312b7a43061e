//! The policy: which classes of work there are, and how each is treated.
//!
//! A policy is a versioned TOML text; no law stands in this code. The text is adopted whole, its
//! hash stands in every decision that it led to, and a new policy never rewrites old decisions.

mod admission;
mod calendar;
mod catalogue;
mod class;
mod content;
mod detector;
mod diff;
mod exposure;
mod faults;
mod file;
mod scheduling;
mod site;
mod tariff;

use std::collections::{BTreeMap, BTreeSet};

use repower_model::Hash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use admission::IMAGE;
pub use admission::{Admission, Verdict, YaraRules};
pub use catalogue::{Catalogue, Mapping};
pub use class::{Class, Evidence, Replication, Tier};
pub use content::content_of;
pub use detector::{Detector, Hardest};
pub use diff::{Difference, diff};
pub use exposure::{Declared, Exposure, Labels, Stated, money};
pub use file::PolicyError;
pub use scheduling::{Preemption, Project, Quota, Scheduling};
pub use site::SITE;
pub use tariff::{Scope, Since, Tariff};

/// The policy that is in force where the operator brings none.
pub const DEFAULT: &str = include_str!("default.toml");

/// A policy that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its own version.
    pub version: String,
    /// SHA-256 of its text.
    pub hash: Hash,
    /// Its text.
    pub text: String,
    /// The jurisdictions of the site, the one that counts first.
    pub jurisdictions: Vec<String>,
    /// What is said of the site, for reports, by its keys.
    pub site: BTreeMap<String, String>,
    /// The catalogue that the entries of classes are quoted from.
    pub catalogue: Catalogue,
    /// More catalogues, by a name of the policy's own.
    pub mappings: BTreeMap<String, Mapping>,
    /// Its classes by name.
    pub classes: BTreeMap<String, Class>,
    /// How running tasks are looked at, of classes that say nothing else.
    pub detector: Detector,
    /// What is looked for in what a job brings along.
    pub admission: Admission,
    /// Surcharges by jurisdiction.
    pub tariffs: BTreeMap<String, Tariff>,
    /// How tasks are ordered.
    pub scheduling: Scheduling,
    /// What projects may have, by name; those that are not named have the usual share and no quota.
    pub projects: BTreeMap<String, Project>,
}

impl Policy {
    /// Content that must not run, by SHA-256. Where the policy lets a person decide about that, there is none.
    pub fn forbidden(&self) -> &BTreeSet<Hash> {
        static NONE: BTreeSet<Hash> = BTreeSet::new();
        if self.admission.on_hit == Verdict::Refuse { &self.admission.known_digests } else { &NONE }
    }

    /// Reads a policy from its TOML text.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with line, column and the nearest right key, for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// Reads a policy that somebody wants to put in force.
    ///
    /// # Errors
    ///
    /// As [`Policy::parse`], and [`PolicyError::VersionWrong`].
    pub fn proposed(text: &str) -> Result<Self, PolicyError> {
        let policy = Self::parse(text)?;
        file::check_version(&policy.version)?;
        Ok(policy)
    }

    /// All that keeps a text from being put in force, by line; empty: nothing does. At most 100.
    pub fn faults(text: &str) -> Vec<PolicyError> {
        faults::faults(text)
    }

    /// The names of classes of which tasks may be root where agents are.
    pub fn rooted(&self) -> impl Iterator<Item = &str> {
        let may = |(_, class): &(&String, &Class)| class.root && class.tier != Tier::Prohibited;
        self.classes.iter().filter(may).map(|(name, _)| name.as_str())
    }

    /// The names of the classes that may run, in order.
    pub fn runnable(&self) -> Vec<String> {
        let runs = self.classes.iter().filter(|(_, class)| class.tier != Tier::Prohibited);
        runs.map(|(name, _)| name.clone()).collect()
    }

    /// The surcharge that would be charged here, with its jurisdiction: that of the first of the
    /// policy's jurisdictions for which it has one.
    pub fn surcharge(&self) -> Option<(&str, &Tariff)> {
        let mut here = self.jurisdictions.iter();
        here.find_map(|name| Some((name.as_str(), self.tariffs.get(name)?)))
    }

    /// Where a class stands in catalogues: jurisdiction, edition and entry of each.
    pub fn entries_of<'a>(&'a self, class: &'a str) -> Vec<(&'a Catalogue, &'a str)> {
        let own = self.classes.get(class).filter(|class| !class.entry.is_empty());
        let own = own.map(|class| (&self.catalogue, class.entry.as_str()));
        let more = self
            .mappings
            .values()
            .filter_map(|mapping| Some((&mapping.catalogue, mapping.entries.get(class)?.as_str())));
        own.into_iter().chain(more).collect()
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
