//! How the facts about findings change the state.

use repower_model::{AttemptId, FindingId, FindingReview, FindingState, JobId, Timestamp};

use crate::fact::Fact;
use crate::state::{Quarantined, State};

impl State {
    /// Makes a fact about a finding true; others change nothing here.
    pub(super) fn finding_changed(&mut self, fact: &Fact, at: Timestamp) {
        if let Fact::FindingOpened(finding) = fact {
            let attempts = &self.attempts;
            let is_live =
                |id: AttemptId| attempts.get(&id.task).is_some_and(|live| live.number == id.number);
            self.findings.open(finding, is_live);
            self.hold_or_not(finding.job);
        } else if let Fact::FindingSeen(seen) = fact {
            let Some(finding) = self.findings.get_mut(seen.finding) else { return };
            finding.notice(&seen.verdicts, &seen.images, seen.evidence);
            let job = finding.job;
            self.hold_or_not(job);
        } else if let Fact::FindingReviewed { finding, state, by, reason, policy } = fact {
            let job = self.job_of(*finding);
            let (state, by, reason) = (*state, by.clone(), reason.clone());
            let review = FindingReview { state, by, reason, at, policy: *policy };
            self.findings.review(*finding, review);
            if let Some(job) = job.and_then(|job| self.jobs.get_mut(&job)) {
                if state == FindingState::Confirmed {
                    job.confirmed.insert(*finding);
                } else {
                    job.confirmed.remove(finding);
                }
            }
            self.hold_or_not(job);
        } else if let Fact::DigestQuarantined { digest, finding, by, reason } = fact {
            let (by, reason) = (by.clone(), reason.clone());
            let one = Quarantined { since: at, finding: *finding, by, reason };
            self.findings.forbid(*digest, one);
        } else if let Fact::DigestReleased { digest, .. } = fact {
            self.findings.allow(digest);
        }
    }

    fn job_of(&self, finding: FindingId) -> Option<JobId> {
        self.findings.get(finding).and_then(|one| one.job)
    }

    /// No task of a job starts while somebody has to look at one of them.
    fn hold_or_not(&mut self, job: Option<JobId>) {
        let Some(id) = job else { return };
        let held = self.findings.hold(id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.findings != held {
            job.findings = held;
            self.requeue(id);
        }
    }
}
