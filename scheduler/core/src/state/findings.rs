//! What is not what it says it is, and programs that must not run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use repower_model::{
    AttemptId, Finding, FindingId, FindingReview, FindingState, Hash, JobId, Span, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Token;

/// What is not what it says it is, and programs that must not run.
///
/// Findings that nobody has decided stay here, and the latest of the others; all of them are in the
/// projections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    known: BTreeMap<FindingId, Finding>,
    by_attempt: BTreeMap<AttemptId, BTreeSet<FindingId>>,
    /// Those that were decided, in the order in which they were.
    decided: VecDeque<FindingId>,
    /// Those that nobody had to decide any more, in the order in which they lapsed.
    lapsed: VecDeque<FindingId>,
    forbidden: BTreeMap<Hash, Quarantined>,
    last: u64,
}

/// After this a decision has been written down everywhere.
const SETTLED: Span = Span::from_secs(60);

/// Why a program must not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Since when.
    pub since: Timestamp,
    /// The finding that has led to it.
    pub finding: Option<FindingId>,
    /// Who has said so.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Quarantined {
    /// Whether nodes refuse to run it, too. What no person has decided is only refused when a job brings it: to forbid
    /// more takes somebody who has looked whose program it is.
    pub fn holds_everywhere(&self) -> bool {
        self.by != Token::SCHEDULER
    }
}

impl Findings {
    /// How many are kept after somebody has decided, so that they can be appealed.
    pub const KEPT: usize = 1000;
    /// How many are kept that have lapsed: they must not push out what a person has decided.
    pub const LAPSED: usize = 200;
    /// The most programs that are forbidden at once.
    pub const FORBIDDEN: usize = 10_000;

    /// The one of a number.
    pub fn get(&self, id: FindingId) -> Option<&Finding> {
        self.known.get(&id)
    }

    /// All that are kept here, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Finding> {
        self.known.values()
    }

    /// Whether there was ever one of this number.
    pub fn was_opened(&self, id: FindingId) -> bool {
        (1..=self.last).contains(&id.0)
    }

    /// Those about an attempt, the oldest first.
    pub fn of(&self, attempt: AttemptId) -> impl Iterator<Item = &Finding> {
        let ids = self.by_attempt.get(&attempt).into_iter().flatten();
        ids.filter_map(|id| self.known.get(id))
    }

    /// The one about an attempt that nobody has decided.
    pub fn undecided(&self, attempt: AttemptId) -> Option<&Finding> {
        self.of(attempt).find(|one| one.state.is_undecided())
    }

    /// The one for which an attempt has to end.
    pub fn condemn(&self, attempt: AttemptId) -> Option<&Finding> {
        self.of(attempt).find(|one| one.condemns())
    }

    /// The one for which an attempt stands still.
    pub fn freezes(&self, attempt: AttemptId) -> Option<&Finding> {
        self.of(attempt).find(|one| one.holds_job())
    }

    /// The rules that a person has found to be wrong about an attempt.
    pub fn dismissed_rules(&self, attempt: AttemptId) -> BTreeSet<&str> {
        let dismissed = self.of(attempt).filter(|one| one.state == FindingState::Dismissed);
        dismissed.flat_map(|one| one.verdicts.iter().map(|verdict| verdict.rule.as_str())).collect()
    }

    /// Programs that must not run, by their digests.
    pub fn forbidden(&self) -> &BTreeMap<Hash, Quarantined> {
        &self.forbidden
    }

    pub(crate) fn next_id(&self) -> FindingId {
        FindingId(self.last + 1)
    }

    pub(super) fn open(&mut self, finding: &Finding, is_live: impl Fn(AttemptId) -> bool) {
        self.trim(finding.opened, is_live);
        self.last = self.last.max(finding.id.0);
        if let Some(rank) = finding.rank {
            self.by_attempt.entry(rank.attempt).or_default().insert(finding.id);
        }
        self.known.insert(finding.id, finding.clone());
    }

    pub(super) fn get_mut(&mut self, id: FindingId) -> Option<&mut Finding> {
        self.known.get_mut(&id)
    }

    /// Takes in what was decided.
    pub(super) fn review(&mut self, id: FindingId, review: FindingReview) {
        let Some(finding) = self.known.get_mut(&id) else { return };
        finding.state = review.state;
        finding.reviews.push(review);
        self.decided.retain(|one| *one != id);
        self.lapsed.retain(|one| *one != id);
        if finding.state == FindingState::Lapsed {
            self.lapsed.push_back(id);
        } else if !finding.state.is_undecided() {
            self.decided.push_back(id);
        }
    }

    /// Lets the oldest of those go that are too many. Not what was decided just now: it has still to be
    /// written down; and not what is about an attempt that `is_live`: the same would be asked again.
    fn trim(&mut self, now: Timestamp, is_live: impl Fn(AttemptId) -> bool) {
        let known = &self.known;
        let is_over = |id: &FindingId| {
            known.get(id).is_none_or(|one| {
                let is_old = one.reviews.last().is_none_or(|last| now.since(last.at) > SETTLED);
                is_old && !one.rank.is_some_and(|rank| is_live(rank.attempt))
            })
        };
        let mut over = Vec::new();
        for (ended, most) in [(&mut self.decided, Self::KEPT), (&mut self.lapsed, Self::LAPSED)] {
            while ended.len() > most
                && let Some(at) = ended.iter().position(is_over)
            {
                over.extend(ended.remove(at));
            }
        }
        for id in over {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: FindingId) {
        let Some(attempt) = self.known.remove(&id).and_then(|one| one.rank) else { return };
        let attempt = attempt.attempt;
        if let Some(ids) = self.by_attempt.get_mut(&attempt) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_attempt.remove(&attempt);
            }
        }
    }

    pub(super) fn forbid(&mut self, digest: Hash, why: Quarantined) {
        self.forbidden.insert(digest, why);
    }

    pub(super) fn allow(&mut self, digest: &Hash) {
        self.forbidden.remove(digest);
    }

    /// Those about a job for which none of its tasks may start.
    pub(super) fn hold(&self, job: JobId) -> BTreeSet<FindingId> {
        let held = self.known.values().filter(|one| one.job == Some(job) && one.holds_job());
        held.map(|one| one.id).collect()
    }
}
