//! From facts to a report.

use std::collections::BTreeMap;

use repower_core::fact::{AttemptEnded, Entry, Fact, JobSubmitted};
use repower_core::policy::{Declared, Policy};
use repower_model::{Approval, ApprovalId, Hash, JobId, JobState, NodeId, Outcome, Timestamp};

use super::compliance::{
    ApprovalLine, ClassLine, Compliance, Count, EnergyLine, Known, Ledger, List, NodeLine, Output,
    Period, PolicyLine, RefusalLine, Refusals, ReviewLine,
};
use super::findings::{Basis, Findings};
use crate::render::time;

/// What such reports are asked for that no fact of this ledger says.
const NOT_KNOWN: [&str; 10] = [
    "electricity by window of 15 minutes: meter, agents, jobs, idle, overhead, residual",
    "uncertainty and calibration of meters",
    "bands of the tariff, certificates of green power, events of curtailment, carbon factors",
    "surcharge in money: it takes what the meter of the account has counted; what nodes are declared to draw gives an upper figure for them only",
    "serial numbers, provenance, firmware and certificates of devices",
    "legal identity of tenants: submitters are names of tokens",
    "validation of results by sampling or replication",
    "heat given away: meter, temperatures, recipient",
    "load that can be shed, with its notice",
    "water, floor area, refrigerants, and more of Annex I of Regulation (EU) 2024/1364",
];

/// Names of what is asked of a site.
const SITE: [&str; 9] = [
    "operator",
    "address",
    "account",
    "meter-point",
    "transformer",
    "tariff-class",
    "it-kilowatts",
    "in-operation-since",
    "racks",
];

/// Takes the facts of a ledger in order.
#[derive(Debug, Default)]
pub struct Gather {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    last: Option<Timestamp>,
    policy: Option<(Policy, PolicyLine)>,
    policies: Vec<PolicyLine>,
    /// Where the line of a class is, as it was treated.
    lines: BTreeMap<(String, String), usize>,
    classes: Vec<ClassLine>,
    jobs: BTreeMap<JobId, usize>,
    refusals: Refusals,
    by_code: BTreeMap<String, u64>,
    reviews: List<ReviewLine>,
    approvals: BTreeMap<ApprovalId, ApprovalLine>,
    output: Output,
    nodes: BTreeMap<NodeId, NodeLine>,
    names: BTreeMap<NodeId, String>,
    labels: BTreeMap<NodeId, Vec<(String, String)>>,
    findings: Findings,
}

pub(super) fn when(at: Timestamp) -> Option<String> {
    time::rfc3339(at.as_millis())
}

impl Gather {
    /// For a period: from its beginning up to its end, as far as they are given.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self { from, to, ..Self::default() }
    }

    fn is_in(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    /// Takes the next fact.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other facts say nothing of compliance")]
    pub fn take(&mut self, entry: &Entry) {
        let at = entry.at;
        if self.to.is_some_and(|to| at >= to) {
            return;
        }
        self.last = Some(at);
        match &entry.fact {
            Fact::PolicyAdopted { text, by, hash, version } => {
                self.adopted(text, *hash, version, by, at);
            }
            Fact::JobSubmitted(fact) => self.submitted(fact, at),
            Fact::SubmissionRefused(fact) if self.is_in(at) => {
                *self.by_code.entry(fact.code.clone()).or_default() += 1;
                self.refusals.list.push(RefusalLine {
                    seq: entry.seq,
                    at: when(at),
                    submitter: fact.submitter.clone(),
                    class: fact.class.clone(),
                    code: fact.code.clone(),
                    text: fact.text.clone(),
                    policy: fact.policy.to_string(),
                });
            }
            Fact::JobReviewed { job, approved, by, reason, policy, approval } => {
                let inside = self.is_in(at);
                if let Some(line) = approval.and_then(|id| self.approvals.get_mut(&id)) {
                    line.jobs += u64::from(inside);
                } else if inside {
                    self.reviews.push(ReviewLine {
                        seq: entry.seq,
                        at: when(at),
                        job: job.0,
                        approved: *approved,
                        by: by.clone(),
                        reason: reason.clone(),
                        approval: approval.map(|id| id.0),
                        policy: policy.to_string(),
                    });
                }
            }
            // One that was over when the period began let nothing in then.
            Fact::ApprovalGiven(one) if self.from.is_none_or(|from| one.until > from) => {
                self.approvals.insert(one.id, given(one, at));
            }
            Fact::ApprovalEnded { id, .. } => self.approval_ended(*id, at),
            Fact::JobEnded { job, state, .. } => self.ended(*job, *state, at),
            Fact::AttemptEnded(fact) => {
                self.findings.ended(fact.attempt);
                self.attempt(fact, at);
            }
            Fact::OutputsKept(fact) if self.is_in(at) => {
                if let Some(line) = self.line_of(fact.rank.attempt.task.job) {
                    line.artefacts += fact.artefacts.len() as u64;
                }
            }
            Fact::NodeEnrolled { node, name, .. } => {
                self.names.insert(*node, name.clone());
            }
            Fact::NodeConnected { node, inventory, .. } => {
                let name = self.names.get(node).cloned().unwrap_or_else(|| node.to_string());
                self.labels.insert(*node, inventory.labels.clone());
                let sensors: Vec<String> = inventory
                    .abilities
                    .iter()
                    .filter_map(|ability| ability.strip_prefix("sensor."))
                    .map(str::to_owned)
                    .collect();
                let lacks = inventory.lacks.iter().filter_map(|(name, why)| {
                    Some((name.strip_prefix("sensor.")?.to_owned(), why.clone()))
                });
                let blind: BTreeMap<String, String> = lacks.collect();
                let line = NodeLine {
                    name,
                    told: when(at),
                    kernel: inventory.kernel.clone(),
                    isa: inventory.isa_level.clone(),
                    agent: inventory.version.clone(),
                    abilities: inventory.abilities.clone(),
                    sensors: (!sensors.is_empty() || !blind.is_empty()).then_some(sensors),
                    blind,
                };
                self.nodes.insert(*node, line);
            }
            other => self.findings.take(other, at, self.is_in(at)),
        }
    }

    fn adopted(&mut self, text: &str, hash: Hash, version: &str, by: &str, at: Timestamp) {
        let Ok(policy) = Policy::parse(text) else { return };
        let catalogues = std::iter::once(&policy.catalogue)
            .chain(policy.mappings.values().map(|mapping| &mapping.catalogue))
            .map(repower_core::policy::Catalogue::title)
            .filter(|title| !title.is_empty());
        let line = PolicyLine {
            version: version.to_owned(),
            hash: hash.to_string(),
            adopted: when(at),
            by: (!by.is_empty()).then(|| by.to_owned()),
            catalogues: catalogues.collect(),
            surcharge: policy.surcharge().map(|(name, one)| format!("{name}: {}", one.in_words())),
        };
        if self.from.is_some_and(|from| at <= from) {
            // The one before was over when the period began.
            self.policies.clear();
        }
        self.policies.push(line.clone());
        self.policy = Some((policy, line));
    }

    fn submitted(&mut self, fact: &JobSubmitted, at: Timestamp) {
        let (class, tier) = (fact.spec.class.clone(), fact.tier.as_str().to_owned());
        let next = self.classes.len();
        let index = *self.lines.entry((class.clone(), tier.clone())).or_insert(next);
        if index == next {
            self.classes.push(ClassLine { class, tier, ..ClassLine::default() });
        }
        self.jobs.insert(fact.job, index);
        if !self.is_in(at) {
            return;
        }
        self.classes[index].submitted += 1;
        if let Some((policy, _)) = &self.policy {
            let entries = policy.entries_of(&fact.spec.class).into_iter();
            let entries =
                entries.map(|(catalogue, entry)| format!("{}: {entry}", catalogue.title()));
            let asked = policy.classes.get(&fact.spec.class);
            let asked = asked.into_iter().flat_map(|class| &class.evidence);
            let evidence = asked.map(|one| one.as_str().to_owned()).collect();
            let line = &mut self.classes[index];
            (line.entries, line.evidence) = (entries.collect(), evidence);
        }
        if let Some(line) = fact.approval.and_then(|id| self.approvals.get_mut(&id)) {
            line.jobs += 1;
        }
    }

    fn line_of(&mut self, job: JobId) -> Option<&mut ClassLine> {
        self.classes.get_mut(*self.jobs.get(&job)?)
    }

    fn ended(&mut self, job: JobId, state: JobState, at: Timestamp) {
        let inside = self.is_in(at);
        if let Some(line) = self.line_of(job).filter(|_| inside) {
            match state {
                JobState::Succeeded => line.succeeded += 1,
                JobState::Failed => line.failed += 1,
                JobState::Cancelled => line.cancelled += 1,
                JobState::Held | JobState::Pending | JobState::Running => {}
            }
        }
        self.jobs.remove(&job);
    }

    fn attempt(&mut self, fact: &AttemptEnded, at: Timestamp) {
        if !self.is_in(at) {
            return;
        }
        let (cpu, wall) = (fact.usage.cpu_us / 1_000_000, fact.usage.wall_us / 1_000_000);
        if matches!(fact.outcome, Outcome::Exited { code: 0 }) {
            self.output.claimed_cpu_seconds += cpu;
        }
        if let Some(line) = self.line_of(fact.attempt.task.job) {
            line.attempts += 1;
            line.cpu_seconds += cpu;
            line.wall_seconds += wall;
        }
    }

    fn approval_ended(&mut self, id: ApprovalId, at: Timestamp) {
        if self.from.is_some_and(|from| at < from) {
            self.approvals.remove(&id);
        } else if let Some(line) = self.approvals.get_mut(&id) {
            line.ended = when(at);
        }
    }

    /// What the facts come to.
    pub fn finish(self, ledger: Ledger) -> Compliance {
        let mut approvals = List::default();
        for line in self.approvals.into_values() {
            approvals.push(line);
        }
        let labels = self.labels.iter().map(|(node, labels)| (*node, labels.as_slice()));
        let basis = Basis {
            policy: self.policy.as_ref().map(|(policy, _)| policy),
            declared: Declared::of(labels),
            now: self.last.unwrap_or_default(),
        };
        let (findings, accounts) = self.findings.finish(&basis);
        let by_code = self.by_code.into_iter().map(|(name, count)| Count { name, count });
        let mut classes = self.classes;
        classes.retain(|line| line.submitted + line.attempts + ended_of(line) > 0);
        classes.sort_by(|one, other| (&one.class, &one.tier).cmp(&(&other.class, &other.tier)));
        let site: BTreeMap<&str, &str> = self
            .policy
            .iter()
            .flat_map(|(policy, _)| &policy.site)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let site =
            SITE.map(|name| Known { name, value: site.get(name).map(|&text| text.to_owned()) });
        Compliance {
            period: Period {
                from: self.from.and_then(when),
                to: self.to.and_then(when),
                last_fact: self.last.and_then(when),
            },
            ledger,
            site: site.into(),
            policies: self.policies,
            classes,
            refusals: Refusals { by_code: by_code.collect(), ..self.refusals },
            reviews: self.reviews,
            approvals,
            findings,
            accounts,
            energy: energy(),
            output: self.output,
            coverage: self.nodes.into_values().collect(),
            not_known: NOT_KNOWN.into(),
        }
    }
}

fn ended_of(line: &ClassLine) -> u64 {
    line.succeeded + line.failed + line.cancelled
}

fn given(one: &Approval, at: Timestamp) -> ApprovalLine {
    ApprovalLine {
        id: one.id.0,
        given: when(at),
        ended: None,
        class: one.class.clone(),
        project: one.project.clone(),
        content: one.content.map(|content| content.to_string()),
        until: when(one.until),
        by: one.by.clone(),
        reason: one.reason.clone(),
        jobs: 0,
        policy: one.policy.to_string(),
    }
}

/// No fact has a reading yet: all grades are unknown, and none is zero.
fn energy() -> Vec<EnergyLine> {
    let grades = [
        ("A", "revenue meter"),
        ("B", "calibrated power distribution unit"),
        ("C", "sensors on board"),
        ("D", "model: rated power and use"),
    ];
    let line = |(grade, source)| EnergyLine { grade, source, milliwatt_hours: None };
    grades.map(line).into()
}

#[cfg(test)]
mod tests {
    use repower_model::Span;

    use super::*;

    #[test]
    fn an_approval_that_was_over_before_the_period_is_not_in_it() {
        let at =
            |hours: u64| Timestamp::from_millis(1_777_633_200_000) + Span::from_secs(hours * 3600);
        let given = |id, until| Approval {
            id: ApprovalId(id),
            class: "hash-heavy".into(),
            project: None,
            content: None,
            until,
            by: "op".into(),
            reason: "contract".into(),
            policy: Hash([0; 32]),
        };
        let mut gather = Gather::new(Some(at(10)), None);

        for (seq, one) in
            [given(1, at(9)), given(2, at(10)), given(3, at(11))].into_iter().enumerate()
        {
            let fact = Fact::ApprovalGiven(Box::new(one));
            gather.take(&Entry { seq: seq as u64, at: at(1), fact });
        }

        let ids: Vec<ApprovalId> = gather.approvals.into_keys().collect();
        assert_eq!(ids, [ApprovalId(3)]);
    }
}
