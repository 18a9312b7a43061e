//! Approvals of work that a person has to look at, and the marks by which it is known.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, Hash, Timestamp};

/// A named person lets jobs of a kind run for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number.
    pub id: ApprovalId,
    /// Jobs of which class.
    pub class: String,
    /// Of which project; `None`: of any.
    pub project: Option<String>,
    /// What they run, as one digest; `None`: anything in which nothing was found.
    pub content: Option<Hash>,
    /// Up to this: a job that has not started by then is not covered.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The policy in force when it was given.
    pub policy: Hash,
}

impl Approval {
    /// The most approvals at one time.
    pub const MOST: usize = 10_000;
}

/// What a mark is a sign of.
///
/// Their order is that of their weight. New ones come last, whatever they weigh: what was written down before
/// numbers them as they stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    /// Constants of a proof-of-work function.
    ProofOfWork,
    /// Words of pool protocols and of their clients.
    PoolClient,
    /// Its digest is on the policy's list.
    KnownDigest,
    /// A word for which the policy wants a person to look.
    Word,
    /// It could not be looked at.
    Unread,
    /// A rule of the policy matches.
    Rule,
}

impl Sign {
    /// All, in order of weight.
    pub const ALL: [Self; 6] = [
        Self::ProofOfWork,
        Self::PoolClient,
        Self::KnownDigest,
        Self::Rule,
        Self::Word,
        Self::Unread,
    ];

    const fn weight(self) -> u8 {
        match self {
            Self::ProofOfWork => 0,
            Self::PoolClient => 1,
            Self::KnownDigest => 2,
            Self::Rule => 3,
            Self::Word => 4,
            Self::Unread => 5,
        }
    }

    /// The word for it, as tables and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProofOfWork => "proof-of-work",
            Self::PoolClient => "pool-client",
            Self::KnownDigest => "known-digest",
            Self::Word => "word",
            Self::Unread => "unread",
            Self::Rule => "rule",
        }
    }
}

impl Ord for Sign {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.weight().cmp(&other.weight())
    }
}

impl PartialOrd for Sign {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Something that was found in what a job brings along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is a sign of.
    pub sign: Sign,
    /// In what: `script`, `command`, `input tools.tar: bin/x`.
    pub place: String,
    /// What was found there, in words.
    pub detail: String,
}

impl Mark {
    /// The most marks of one job that are kept, the heaviest.
    pub const MOST: usize = 16;
    /// The longest place and detail, in bytes.
    pub const LONGEST: usize = 300;

    /// The heaviest marks, the heaviest first, at most [`Mark::MOST`]. The first of each sign is among
    /// them, however many there are of another: a policy may weigh a light one more than a heavy one.
    pub fn heaviest(mut marks: Vec<Self>) -> Vec<Self> {
        marks.sort_by_key(|mark| mark.sign);
        if marks.len() <= Self::MOST {
            return marks;
        }
        let signs: BTreeSet<Sign> = marks.iter().map(|mark| mark.sign).collect();
        let (mut room, mut last) = (Self::MOST - signs.len(), None);
        marks.retain(|mark| {
            let is_first = last.replace(mark.sign) != Some(mark.sign);
            let fits = is_first || room > 0;
            room -= usize::from(fits && !is_first);
            fits
        });
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_marks_the_first_of_each_sign_is_kept_and_then_the_heaviest() {
        let mark =
            |sign, place: u32| Mark { sign, place: place.to_string(), detail: String::new() };
        let mut many = vec![mark(Sign::Unread, 0), mark(Sign::Unread, 1)];
        many.extend((2..40).map(|place| mark(Sign::Word, place)));
        many.push(mark(Sign::PoolClient, 40));

        let kept = Mark::heaviest(many);

        assert_eq!(kept.len(), Mark::MOST);
        assert_eq!(kept[0], mark(Sign::PoolClient, 40));
        assert_eq!(kept[1..15], (2..16).map(|place| mark(Sign::Word, place)).collect::<Vec<_>>());
        assert_eq!(kept[15], mark(Sign::Unread, 0));
        assert_eq!(Mark::heaviest(kept.clone()), kept);
    }
}
