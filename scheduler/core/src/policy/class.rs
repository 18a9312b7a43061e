//! One class of the policy, and the table that says what it is.

use std::fmt;

use repower_model::{Egress, Isolation, is_place};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::detector::{Detector, DetectorTable};

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

/// What a class is asked to show for what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Output files with their digests.
    Artefact,
    /// States from which the work can go on.
    Checkpoint,
    /// A figure that says how good the result is.
    Metric,
    /// How far the work is, in a unit of its own.
    Progress,
    /// A property that the result must have and that can be checked.
    Invariant,
}

impl Evidence {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Artefact => "artefact",
            Self::Checkpoint => "checkpoint",
            Self::Metric => "metric",
            Self::Progress => "progress",
            Self::Invariant => "invariant",
        }
    }
}

/// How often the work of a class is done again elsewhere, to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replication {
    /// Never.
    #[default]
    None,
    /// As the record of the device for the class asks.
    Adaptive,
    /// Always by so many, which must agree.
    Quorum(u32),
}

impl Replication {
    /// The most that are asked to agree.
    const MOST: u32 = 9;

    fn read(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "adaptive" => Some(Self::Adaptive),
            _ => {
                let count = text.strip_prefix("quorum=")?.parse().ok()?;
                (2..=Self::MOST).contains(&count).then_some(Self::Quorum(count))
            }
        }
    }
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Adaptive => f.write_str("adaptive"),
            Self::Quorum(count) => write!(f, "quorum={count}"),
        }
    }
}

/// One class of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// How it is treated.
    pub tier: Tier,
    /// What it is, in a sentence.
    pub about: String,
    /// The entry of the policy's catalogue that it falls under; may be empty.
    pub entry: String,
    /// The least isolation of its jobs.
    pub isolation: Isolation,
    /// Whether tasks that are neither in a box nor in a container may have the agent's own user, root where the agent
    /// is, and those in a container may be root there; else they have the user of their project.
    pub root: bool,
    /// What of the network its jobs reach at most, and if they do not say.
    pub egress: Egress,
    /// What it is asked to show, ascending.
    pub evidence: Vec<Evidence>,
    /// How often its work is done again elsewhere.
    pub replication: Replication,
    /// How its running tasks are looked at.
    pub detector: Detector,
}

/// A table `[class.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClassTable {
    tier: Tier,
    #[serde(default)]
    about: String,
    #[serde(default)]
    entry: String,
    #[serde(default)]
    isolation: Level,
    root: Option<Spanned<bool>>,
    egress: Option<Spanned<Reach>>,
    #[serde(default)]
    evidence: Vec<Evidence>,
    replicate: Option<Spanned<String>>,
    #[serde(default)]
    detector: Option<Spanned<DetectorTable>>,
}

pub(super) const KEYS: [&str; 10] = [
    "class",
    "tier",
    "about",
    "entry",
    "isolation",
    "root",
    "egress",
    "evidence",
    "replicate",
    "detector",
];

/// The least isolation, as a policy writes it.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Level {
    #[default]
    Bare,
    Boxed,
    Sealed,
}

/// What of the network is reached, as a policy writes it: a word, or places.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`egress` is \"open\", \"none\" or a list of 1 to 64 \"HOST:PORT\"")]
enum Reach {
    Word(ReachWord),
    Places(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReachWord {
    Open,
    None,
}

impl Reach {
    /// What it means on this level of isolation; `None`: it names what is no place, or too many.
    fn egress(self, isolation: Isolation) -> Option<Egress> {
        match self {
            Self::Word(ReachWord::Open) if isolation < Isolation::Sealed => Some(Egress::Open),
            Self::Word(ReachWord::Open | ReachWord::None) => Some(Egress::None),
            Self::Places(mut places) => {
                places.sort();
                places.dedup();
                let is_right = (1..=Egress::MOST_PLACES).contains(&places.len())
                    && places.iter().all(|one| is_place(one));
                is_right.then_some(Egress::Only(places))
            }
        }
    }
}

impl Level {
    const fn isolation(self) -> Isolation {
        match self {
            Self::Bare => Isolation::Bare,
            Self::Boxed => Isolation::Boxed,
            Self::Sealed => Isolation::Sealed,
        }
    }
}

impl ClassTable {
    /// What the table says, or what is wrong and where; `detector` is that of the whole policy.
    pub(super) fn read(
        self,
        at: usize,
        detector: &Detector,
    ) -> Result<Class, (usize, &'static str)> {
        let isolation = self.isolation.isolation();
        let egress = match self.egress {
            None if isolation < Isolation::Sealed => Egress::Open,
            None => Egress::None,
            Some(reach) => {
                let at = reach.span().start;
                let egress = reach.into_inner().egress(isolation);
                egress.ok_or((at, "`egress` names 1 to 64 times one HOST:PORT"))?
            }
        };
        let root = self.root.as_ref().is_some_and(|root| *root.get_ref());
        if let Some(root) = self.root.as_ref().filter(|_| root && isolation > Isolation::Bare) {
            let problem = "`root` is for jobs on the level `bare`, but `isolation` leaves none there: \
                           leave one of them out";
            return Err((root.span().start, problem));
        }
        if self.about.len() > 1000 || self.entry.len() > 1000 {
            return Err((at, "`about` and `entry` have at most 1000 bytes"));
        }
        let mut evidence = self.evidence;
        evidence.sort_unstable();
        evidence.dedup();
        let replication = match self.replicate {
            None => Replication::None,
            Some(text) => Replication::read(text.get_ref()).ok_or((
                text.span().start,
                "`replicate` is \"none\", \"adaptive\" or \"quorum=2\" to \"quorum=9\"",
            ))?,
        };
        let detector = match self.detector {
            None => detector.clone(),
            Some(table) => {
                let at = table.span().start;
                table.into_inner().read(detector).map_err(|problem| (at, problem))?
            }
        };
        let (tier, about, entry) = (self.tier, self.about, self.entry);
        Ok(Class { tier, about, entry, isolation, root, egress, evidence, replication, detector })
    }
}
