//! Approvals by number and by when they end.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use repower_model::{Approval, ApprovalId, JobSpec, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Job, State};
use crate::policy::{Policy, Tier, content_of};
use crate::reason::Reason;

/// All approvals that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Approvals {
    known: BTreeMap<ApprovalId, Approval>,
    ends: BTreeSet<(Timestamp, ApprovalId)>,
    last: u64,
}

impl Approvals {
    /// The one of a number.
    pub fn get(&self, id: ApprovalId) -> Option<&Approval> {
        self.known.get(&id)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Approval> {
        self.known.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The first that `counts` and lets a job run at `now`. One for no digest in particular does not
    /// cover a job `is_suspect`, at which a person has to look for what was found in it.
    fn covering(
        &self,
        spec: &JobSpec,
        is_suspect: bool,
        now: Timestamp,
        counts: impl Fn(&Approval) -> bool,
    ) -> Option<&Approval> {
        let mut of_kind = self.known.values().filter(|one| {
            one.until > now
                && one.class == spec.class
                && one.project.as_ref().is_none_or(|project| *project == spec.project)
                && counts(one)
        });
        // It reads the whole script and command.
        let content = OnceCell::new();
        of_kind.find(|one| match one.content {
            None => !is_suspect,
            Some(wanted) => *content.get_or_init(|| content_of(spec)) == Some(wanted),
        })
    }

    /// When the next one ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// One whose time is over.
    pub(crate) fn first_over(&self, now: Timestamp) -> Option<ApprovalId> {
        self.ends.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// The number of the next one.
    pub(crate) fn next_id(&self) -> ApprovalId {
        ApprovalId(self.last + 1)
    }

    pub(super) fn insert(&mut self, one: &Approval) {
        self.last = self.last.max(one.id.0);
        self.ends.insert((one.until, one.id));
        self.known.insert(one.id, one.clone());
    }

    fn remove(&mut self, id: ApprovalId) {
        if let Some(one) = self.known.remove(&id) {
            self.ends.remove(&(one.until, id));
        }
    }
}

impl Job {
    /// Why it waits for a person or for another policy, if it does.
    pub fn held_by_policy(&self) -> Option<Reason> {
        let class = || self.spec.class.clone();
        if self.barred {
            return Some(Reason::Barred { class: class() });
        }
        let job = self.id;
        let heaviest = self.marks.first().filter(|_| self.is_suspect);
        self.review.then(|| match heaviest {
            None => Reason::Review { job, class: class() },
            Some(mark) => {
                Reason::Suspect { job, place: mark.place.clone(), detail: mark.detail.clone() }
            }
        })
    }

    /// Whether the policy lets nothing of it start: its class is prohibited, or no class any more.
    pub fn is_barred_by(&self, policy: &Policy) -> bool {
        let class = policy.classes.get(&self.spec.class);
        class.is_none_or(|class| class.tier == Tier::Prohibited)
    }

    /// Whether the policy wants somebody to look before it starts who has not looked yet.
    fn is_questioned_by(&self, policy: &Policy) -> bool {
        let tier = policy.classes.get(&self.spec.class).map(|class| class.tier);
        let unasked = !self.cleared && self.approval.is_none();
        tier == Some(Tier::Review) && unasked && self.started.is_none()
    }
}

impl State {
    /// The first approval that lets a job of a submitter run at `now`. Their own does not, while another
    /// operator is who could give one.
    pub fn covering(
        &self,
        (spec, submitter): (&JobSpec, &str),
        is_suspect: bool,
        now: Timestamp,
    ) -> Option<&Approval> {
        let counts =
            |one: &Approval| one.by != submitter || self.other_operator(submitter, now).is_none();
        self.approvals.covering(spec, is_suspect, now, counts)
    }

    /// An approval has ended: what rests on it and has not started waits again.
    pub(super) fn approval_ended(&mut self, id: ApprovalId) {
        self.approvals.remove(id);
        let resting = self.jobs.values_mut().filter(|job| job.approval == Some(id));
        let mut touched = Vec::new();
        for job in resting.filter(|job| job.started.is_none()) {
            (job.approval, job.review) = (None, true);
            touched.push(job.id);
        }
        for job in touched {
            self.requeue(job);
        }
    }

    /// What the policy in force says of jobs that were accepted under others. It holds back what has
    /// not started; it lets nothing go that another one held for a person.
    pub(super) fn reconsider(&mut self) {
        let Some((policy, _)) = &self.policy else { return };
        for job in self.jobs.values_mut() {
            job.barred = job.is_barred_by(policy);
            job.review |= job.is_questioned_by(policy);
        }
    }
}
