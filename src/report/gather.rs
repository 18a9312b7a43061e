//! From facts to a report.

use std::collections::BTreeMap;

use repower_core::fact::{AttemptEnded, Entry, Fact, JobSubmitted};
use repower_core::policy::{Declared, Policy, SITE};
use repower_model::{Approval, ApprovalId, Hash, JobId, JobState, NodeId, Outcome, Timestamp};

use super::compliance::{
    ApprovalLine, ClassLine, Compliance, Count, EnergyLine, Known, Ledger, List, MOST, NodeLine,
    Output, Period, PolicyLine, RefusalLine, Refusals, ReviewLine,
};
use super::fields::{NO_METER, NOT_SAID, NOT_TWICE, groups};
use super::findings::{Basis, Findings};
use super::jobs::{Falls, Jobs};
use crate::render::time;

/// A second, in microseconds.
const SECOND_US: u64 = 1_000_000;

/// Takes the facts of a ledger in order.
#[derive(Debug)]
pub struct Gather {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    last: Option<Timestamp>,
    policy: Option<(Policy, PolicyLine)>,
    policies: Vec<PolicyLine>,
    /// Versions of all policies that there were, by digest.
    versions: BTreeMap<Hash, String>,
    /// Where the line of a class is, as it was treated.
    lines: BTreeMap<(String, String), usize>,
    classes: Vec<ClassLine>,
    /// Processor and wall time of the attempts of each line, in microseconds.
    times: Vec<(u64, u64)>,
    /// Processor time of those that succeeded.
    claimed_us: u64,
    /// Which line of a class jobs count in that go on.
    jobs: BTreeMap<JobId, usize>,
    job_lines: Jobs,
    refusals: Refusals,
    by_code: BTreeMap<String, u64>,
    reviews: List<ReviewLine>,
    approvals: BTreeMap<ApprovalId, ApprovalLine>,
    output: Output,
    nodes: BTreeMap<NodeId, NodeLine>,
    names: BTreeMap<NodeId, String>,
    labels: BTreeMap<NodeId, Vec<(String, String)>>,
    findings: Findings,
    /// The most lines of a list.
    most: usize,
}

pub(super) fn when(at: Timestamp) -> Option<String> {
    time::rfc3339(at.as_millis())
}

impl Gather {
    /// For a period: from its beginning up to its end, as far as they are given.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self::of_most(from, to, MOST)
    }

    /// The same with all lines of all lists: it takes memory for each job of the period.
    pub fn whole(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self::of_most(from, to, usize::MAX)
    }

    fn of_most(from: Option<Timestamp>, to: Option<Timestamp>, most: usize) -> Self {
        Self {
            from,
            to,
            last: None,
            policy: None,
            policies: Vec::new(),
            versions: BTreeMap::new(),
            lines: BTreeMap::new(),
            classes: Vec::new(),
            times: Vec::new(),
            claimed_us: 0,
            jobs: BTreeMap::new(),
            job_lines: Jobs::new(most),
            refusals: Refusals { by_code: Vec::new(), list: List::of_most(most) },
            by_code: BTreeMap::new(),
            reviews: List::of_most(most),
            approvals: BTreeMap::new(),
            output: Output::default(),
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            labels: BTreeMap::new(),
            findings: Findings::default(),
            most,
        }
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
        let is_before = self.from.is_some_and(|from| at < from);
        let falls = if is_before { Falls::Before } else { Falls::Inside };
        self.job_lines.take(&entry.fact, at, falls);
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
            Fact::ApprovalEnded { id, by, policy, .. } => {
                self.approval_ended(*id, by, *policy, at);
            }
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
        self.versions.insert(hash, version.to_owned());
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
            self.times.push((0, 0));
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
        let (cpu, wall) = (fact.usage.cpu_us, fact.usage.wall_us);
        if matches!(fact.outcome, Outcome::Exited { code: 0 }) {
            self.claimed_us = self.claimed_us.saturating_add(cpu);
        }
        if let Some(index) = self.jobs.get(&fact.attempt.task.job) {
            self.classes[*index].attempts += 1;
            let (all_cpu, all_wall) = &mut self.times[*index];
            *all_cpu = all_cpu.saturating_add(cpu);
            *all_wall = all_wall.saturating_add(wall);
        }
    }

    fn approval_ended(&mut self, id: ApprovalId, by: &str, policy: Hash, at: Timestamp) {
        if self.from.is_some_and(|from| at < from) {
            self.approvals.remove(&id);
        } else if let Some(line) = self.approvals.get_mut(&id) {
            line.ended = when(at);
            line.ended_by = Some(by.to_owned());
            line.ended_policy = Some(policy.to_string());
        }
    }

    /// What the facts come to.
    pub fn finish(self, ledger: Ledger) -> Compliance {
        let mut approvals = List::of_most(self.most);
        for line in self.approvals.into_values() {
            approvals.push(line);
        }
        let labels = self.labels.iter().map(|(node, labels)| (*node, labels.as_slice()));
        let basis = Basis {
            policy: self.policy.as_ref().map(|(policy, _)| policy),
            declared: Declared::of(labels),
            now: self.last.unwrap_or_default(),
        };
        let (findings, undecided, accounts) = self.findings.finish(&basis, self.most);
        let by_code = self.by_code.into_iter().map(|(name, count)| Count { name, count });
        let mut classes = self.classes;
        // Divided here: of many short attempts, none has a whole second.
        for (line, (cpu, wall)) in classes.iter_mut().zip(&self.times) {
            (line.cpu_seconds, line.wall_seconds) = (cpu / SECOND_US, wall / SECOND_US);
        }
        let claimed_cpu_seconds = self.claimed_us / SECOND_US;
        classes.retain(|line| line.submitted + line.attempts + ended_of(line) > 0);
        classes.sort_by(|one, other| (&one.class, &one.tier).cmp(&(&other.class, &other.tier)));
        let site: BTreeMap<&str, &str> = self
            .policy
            .iter()
            .flat_map(|(policy, _)| &policy.site)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let known = |name| {
            let value = site.get(name).map(|&text| text.to_owned());
            let why_unknown = value.is_none().then_some(NOT_SAID);
            Known { name, value, why_unknown }
        };
        let site = SITE.map(known);
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
            jobs: self.job_lines.finish(&self.names, &self.versions),
            refusals: Refusals { by_code: by_code.collect(), ..self.refusals },
            reviews: self.reviews,
            approvals,
            findings,
            undecided,
            accounts,
            energy: energy(),
            output: Output { claimed_cpu_seconds, why_unknown: Some(NOT_TWICE), ..self.output },
            coverage: self.nodes.into_values().collect(),
            fields: groups(),
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
        ended_by: None,
        ended_policy: None,
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
    let line = |(grade, source)| {
        let why_unknown = Some(NO_METER);
        EnergyLine { grade, source, milliwatt_hours: None, why_unknown }
    };
    grades.map(line).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use repower_core::policy::Tier;
    use repower_model::{AttemptId, Fault, JobSpec, Key, Sequel, Span, TaskId, Usage};

    use super::*;
    use crate::report::page;

    fn entry(seq: u64, fact: Fact) -> Entry {
        Entry { seq, at: Timestamp::from_millis(1_700_000_000_000), fact }
    }

    fn submitted(policy: Hash) -> Fact {
        Fact::JobSubmitted(Box::new(JobSubmitted {
            job: JobId(1),
            key: Key([1; 16]),
            submitter: "ada".into(),
            spec: Arc::new(JobSpec { class: "sci-simulation".into(), ..JobSpec::default() }),
            tier: Tier::Permitted,
            policy,
            review: false,
            waits_for: Vec::new(),
            approval: None,
            marks: Vec::new(),
        }))
    }

    fn ended(index: u32, code: i32) -> Fact {
        let (task, at) = (TaskId { job: JobId(1), index }, Timestamp::from_millis(1));
        Fact::AttemptEnded(Box::new(AttemptEnded {
            attempt: AttemptId { task, number: 1 },
            outcome: Outcome::Exited { code },
            fault: if code == 0 { Fault::None } else { Fault::User },
            again_after: None,
            sequel: if code == 0 { Sequel::Succeeded } else { Sequel::Failed },
            started: Some(at),
            ended: at,
            usage: Usage { cpu_us: 600_000, wall_us: 900_000, ..Usage::default() },
        }))
    }

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

    #[test]
    fn parts_of_seconds_are_not_lost_however_short_the_attempts_are() {
        let mut gather = Gather::new(None, None);
        gather.take(&entry(1, submitted(Hash([1; 32]))));
        for index in 0..1000 {
            gather.take(&entry(2 + u64::from(index), ended(index, i32::from(index < 500))));
        }

        let report = gather.finish(Ledger {
            origin: "x/y".into(),
            size: 1001,
            root: String::new(),
            verified: true,
            head: String::new(),
            key: String::new(),
            made_by: "repower".into(),
        });

        let line = &report.classes[0];
        assert_eq!((line.attempts, line.cpu_seconds, line.wall_seconds), (1000, 600, 900));
        assert_eq!(report.output.claimed_cpu_seconds, 300);
        assert!(page(&report).contains("All times are UTC."));
    }
}
