//! What the journal says of findings: they are counted, and decided by their rules, and no job starts
//! anything while somebody has to look at one of its tasks.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::fact::Fact;
use repower_core::life::finding::after;
use repower_model::{Finding, FindingId, FindingReview, Hash, JobId, Timestamp};

use super::{Rule, hold};

/// Every finding, as the facts tell it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: BTreeMap<FindingId, Finding>,
    forbidden: BTreeSet<Hash>,
}

impl Findings {
    pub(super) fn changed(&mut self, fact: &Fact, at: Timestamp) -> Result<(), Rule> {
        if let Fact::FindingOpened(finding) = fact {
            let next = self.all.len() as u64 + 1;
            hold(finding.id.0 == next, "ids of findings are counted")?;
            hold(!finding.verdicts.is_empty(), "a finding says what was noticed")?;
            self.all.insert(finding.id, (**finding).clone());
        } else if let Fact::FindingSeen(seen) = fact {
            let known = self.all.get_mut(&seen.finding).ok_or("what is seen again is open")?;
            hold(known.state.is_undecided(), "what was decided is not seen again")?;
            known.notice(&seen.verdicts, &seen.images, seen.evidence);
        } else if let Fact::FindingReviewed { finding, state, by, reason, policy } = fact {
            let known = self.all.get_mut(finding).ok_or("what is decided was opened")?;
            hold(after(known.state, *state).is_some(), "a finding goes its way")?;
            hold(!by.is_empty() && !reason.is_empty(), "a named person says why")?;
            let (by, reason) = (by.clone(), reason.clone());
            known.state = *state;
            known.reviews.push(FindingReview { state: *state, by, reason, at, policy: *policy });
        } else if let Fact::DigestQuarantined { digest, .. } = fact {
            hold(self.forbidden.insert(*digest), "a program is forbidden once")?;
        } else if let Fact::DigestReleased { digest, .. } = fact {
            hold(self.forbidden.remove(digest), "only what is forbidden is released")?;
        }
        Ok(())
    }

    /// A task of a job is placed.
    pub(super) fn placed(&self, job: JobId) -> Result<(), Rule> {
        let held = self.all.values().any(|one| one.job == Some(job) && one.holds_job());
        hold(!held, "nothing of a job starts while somebody has to look at it")
    }
}
