//! Findings: evidence that something is not what it says it is, and what people make of it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FindingId, Hash, JobId, NodeId, RankId, Timestamp};

/// What is done about a task because of what was noticed. The later, the harder.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
pub enum Response {
    /// Nothing.
    #[default]
    None,
    /// It is asked for evidence of progress.
    Ask,
    /// Its outputs are held back until a person has looked.
    Hold,
    /// It stands still until a person has looked.
    Freeze,
    /// It is ended: two witnesses that have nothing in common.
    Kill,
}

/// Who has noticed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingSource {
    /// The agent, of a task that ran.
    Task,
    /// The scheduler, of a job that was submitted.
    Admission,
}

/// How far people are with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingState {
    /// Nobody has looked yet.
    Open,
    /// A named person looks at it.
    UnderReview,
    /// It is what it looks like.
    Confirmed,
    /// It is not.
    Dismissed,
    /// It was confirmed, and whoever it is about disagrees.
    Appealed,
    /// Its task has ended, and it was no more than a question.
    Lapsed,
}

/// What one rule has noticed, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule's stable code.
    pub rule: String,
    /// Raised whenever the same samples could give another verdict.
    pub version: u32,
    /// 1 near-conclusive, 2 strong, 3 weak.
    pub tier: u8,
    /// What the rule looks at. Two rules of one mechanism are one witness.
    pub mechanism: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How many windows or looks agree.
    pub times: u64,
    /// Where: a process, a file; may be empty.
    pub detail: String,
}

/// What was seen, as bytes in the store of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of the bytes, by which the store knows them.
    pub digest: Hash,
    /// How many there are.
    pub bytes: u64,
    /// Whether there was more than a bundle may hold.
    pub cut: bool,
    /// Whether the store has them: one that was full has not.
    pub kept: bool,
}

/// A program that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    /// SHA-256 of the file.
    pub digest: Hash,
    /// Where it was.
    pub path: String,
    /// Whether it is part of the host and not of the task, as an interpreter is: to forbid it would
    /// forbid all that uses it.
    pub shared: bool,
}

/// Somebody has decided something about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReview {
    /// What it came to.
    pub state: FindingState,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The policy in force then.
    pub policy: Hash,
}

/// Evidence that a job is not what it declares, and what people have made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its id.
    pub id: FindingId,
    /// Who has noticed it.
    pub source: FindingSource,
    /// How far people are with it.
    pub state: FindingState,
    /// When it was opened.
    pub opened: Timestamp,
    /// The job; `None` for a submission that did not become one.
    pub job: Option<JobId>,
    /// The process, if it is about one.
    pub rank: Option<RankId>,
    /// Where that ran.
    pub node: Option<NodeId>,
    /// The name of that node; may be empty.
    pub node_name: String,
    /// The site with the meter; empty: not known.
    pub site: String,
    /// The metering account; empty: not known.
    pub meter: String,
    /// What the job declared itself to be.
    pub class: String,
    /// Who pays.
    pub project: String,
    /// Who asked for the job.
    pub submitter: String,
    /// What was noticed, by rule.
    pub verdicts: Vec<Verdict>,
    /// What is done about it.
    pub response: Response,
    /// What was seen, a bundle each time the response hardened; at most [`Finding::BUNDLES`].
    pub evidence: Vec<Evidence>,
    /// The programs it is about; at most [`Finding::IMAGES`].
    pub images: Vec<Image>,
    /// The policy in force when it was opened.
    pub policy: Hash,
    /// What people have decided, in order; at most [`Finding::REVIEWS`].
    pub reviews: Vec<FindingReview>,
    /// The hardest thing that the policy lets be done about it without a person.
    pub hardest: Response,
}

impl Response {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::None, Self::Ask, Self::Hold, Self::Freeze, Self::Kill];

    /// What verdicts call for together: each comes as its tier and its mechanism.
    ///
    /// One of the first tier freezes, two of different mechanisms kill.
    pub fn to<M: Ord>(verdicts: impl IntoIterator<Item = (u8, M)>) -> Self {
        let mut witnesses = BTreeSet::new();
        let mut response = Self::None;
        for (tier, mechanism) in verdicts {
            let alone = match tier {
                1 => {
                    witnesses.insert(mechanism);
                    Self::Freeze
                }
                2 => Self::Hold,
                _ => Self::Ask,
            };
            response = response.max(alone);
        }
        if witnesses.len() >= 2 { Self::Kill } else { response }
    }

    /// The word for it, as tables and JSON show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ask => "ask",
            Self::Hold => "hold",
            Self::Freeze => "freeze",
            Self::Kill => "kill",
        }
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FindingSource {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Task, Self::Admission];

    /// The word for it, as tables and JSON show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Admission => "admission",
        }
    }
}

impl FindingState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::UnderReview,
        Self::Confirmed,
        Self::Dismissed,
        Self::Appealed,
        Self::Lapsed,
    ];

    /// The word for it, as tables and JSON show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::UnderReview => "under-review",
            Self::Confirmed => "confirmed",
            Self::Dismissed => "dismissed",
            Self::Appealed => "appealed",
            Self::Lapsed => "lapsed",
        }
    }

    /// Whether a person still has to decide.
    pub const fn is_undecided(self) -> bool {
        match self {
            Self::Open | Self::UnderReview | Self::Appealed => true,
            Self::Confirmed | Self::Dismissed | Self::Lapsed => false,
        }
    }
}

impl fmt::Display for FindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    /// The most bundles of evidence of one.
    pub const BUNDLES: usize = 8;
    /// The most programs of one.
    pub const IMAGES: usize = 16;
    /// The most rules of one.
    pub const VERDICTS: usize = 64;
    /// The most decisions about one.
    pub const REVIEWS: usize = 64;

    /// One that says nothing yet, opened under a policy; the policy lets anything be done about it.
    pub fn new(id: FindingId, source: FindingSource, opened: Timestamp, policy: Hash) -> Self {
        Self {
            id,
            source,
            state: FindingState::Open,
            opened,
            job: None,
            rank: None,
            node: None,
            node_name: String::new(),
            site: String::new(),
            meter: String::new(),
            class: String::new(),
            project: String::new(),
            submitter: String::new(),
            verdicts: Vec::new(),
            response: Response::None,
            evidence: Vec::new(),
            images: Vec::new(),
            policy,
            reviews: Vec::new(),
            hardest: Response::Kill,
        }
    }

    /// When the first sign of it was seen.
    pub fn first_seen(&self) -> Timestamp {
        self.verdicts.iter().map(|one| one.first_seen).min().unwrap_or(self.opened)
    }

    /// When the last sign of it was seen.
    pub fn last_seen(&self) -> Timestamp {
        self.verdicts.iter().map(|one| one.last_seen).max().unwrap_or(self.opened)
    }

    /// Whether it keeps outputs from being fetched.
    pub fn holds_outputs(&self) -> bool {
        self.state != FindingState::Dismissed && self.response >= Response::Hold
    }

    /// Whether no other task of its job may start until a person has looked.
    pub fn holds_job(&self) -> bool {
        self.state.is_undecided() && self.response >= Response::Freeze
    }

    /// Whether its task has to end.
    pub fn condemns(&self) -> bool {
        match self.state {
            FindingState::Confirmed => true,
            FindingState::Dismissed | FindingState::Lapsed => false,
            FindingState::Open | FindingState::UnderReview | FindingState::Appealed => {
                self.response == Response::Kill
            }
        }
    }

    /// The rules, as a list of codes.
    pub fn rules(&self) -> String {
        let codes: Vec<&str> = self.verdicts.iter().map(|one| one.rule.as_str()).collect();
        codes.join(", ")
    }

    /// Takes in what was noticed again: the span of each rule only grows.
    pub fn notice(&mut self, verdicts: &[Verdict], images: &[Image], evidence: Option<Evidence>) {
        for new in verdicts {
            let has_room = self.verdicts.len() < Self::VERDICTS;
            match self.verdicts.iter_mut().find(|one| one.rule == new.rule) {
                Some(known) => {
                    known.first_seen = known.first_seen.min(new.first_seen);
                    known.last_seen = known.last_seen.max(new.last_seen);
                    known.times = known.times.max(new.times);
                    known.detail.clone_from(&new.detail);
                }
                None if has_room => self.verdicts.push(new.clone()),
                None => {}
            }
        }
        for image in images {
            if self.images.len() < Self::IMAGES && !self.images.contains(image) {
                self.images.push(image.clone());
            }
        }
        if let Some(bundle) = evidence
            && self.evidence.len() < Self::BUNDLES
            && self.evidence.iter().all(|one| one.digest != bundle.digest)
        {
            self.evidence.push(bundle);
        }
        let witnesses = self.verdicts.iter().map(|one| (one.tier, one.mechanism.as_str()));
        self.response = self.response.max(Response::to(witnesses).min(self.hardest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_first_tier_freezes_and_two_that_have_nothing_in_common_kill() {
        assert_eq!(Response::to(Vec::<(u8, &str)>::new()), Response::None);
        assert_eq!(Response::to([(3, "load")]), Response::Ask);
        assert_eq!(Response::to([(3, "load"), (2, "network")]), Response::Hold);
        assert_eq!(Response::to([(1, "content"), (1, "content")]), Response::Freeze);
        assert_eq!(Response::to([(1, "content"), (1, "registers")]), Response::Kill);
    }
}
