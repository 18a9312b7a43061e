//! The jobs of a report, one line each.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::fact::{AttemptEnded, Fact, JobSubmitted};
use repower_core::policy::content_of;
use repower_model::{ApprovalId, AttemptId, Hash, JobId, JobState, NodeId, Timestamp};

use super::compliance::{JobLine, List};
use super::fields::NO_METER;
use super::gather::when;

/// The most nodes and findings that a line names.
const NAMED: usize = 16;

/// A second, in microseconds.
const SECOND_US: u64 = 1_000_000;

/// Where a fact falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Falls {
    /// Before the period.
    Before,
    /// Into it.
    Inside,
}

/// The jobs so far: those that go on, and the latest of those that have ended in the period.
#[derive(Debug)]
pub(super) struct Jobs {
    live: BTreeMap<JobId, Job>,
    ended: BTreeMap<JobId, Job>,
    /// How many have ended in the period.
    total: u64,
    /// At most so many lines.
    most: usize,
    /// On how many nodes an attempt lies that lies on several.
    wide: BTreeMap<AttemptId, u64>,
}

/// What the facts say of one job.
#[derive(Debug)]
struct Job {
    /// All that is known already.
    line: JobLine,
    policy: Hash,
    first_start: Option<Timestamp>,
    last_end: Option<Timestamp>,
    cpu_us: u64,
    node_us: u64,
    running: BTreeSet<AttemptId>,
    nodes: BTreeSet<NodeId>,
}

impl Jobs {
    /// With at most so many lines.
    pub(super) fn new(most: usize) -> Self {
        let (live, ended, wide) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { live, ended, total: 0, most, wide }
    }

    /// Takes the next fact.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other facts say nothing of jobs")]
    pub(super) fn take(&mut self, fact: &Fact, at: Timestamp, falls: Falls) {
        match fact {
            Fact::JobSubmitted(fact) => {
                self.live.insert(fact.job, Job::of(fact, at));
            }
            Fact::JobReviewed { job, approved, by, reason, approval, .. } => {
                let Some(job) = self.live.get_mut(job) else { return };
                job.line.approval = approval.map(|id| id.0);
                if approval.is_none() {
                    let word = if *approved { "approved" } else { "denied" };
                    job.line.decided = Some(format!("{word} by {by}: {reason}"));
                }
            }
            Fact::ApprovalEnded { id, .. } => self.approval_ended(*id),
            Fact::AttemptPlaced { attempt, node, parts, .. } => {
                let Some(job) = self.live.get_mut(&attempt.task.job) else { return };
                let all = parts.iter().map(|part| part.node).chain([*node]);
                let mut width = BTreeSet::new();
                for node in all {
                    width.insert(node);
                    job.on(node);
                }
                if width.len() > 1 {
                    self.wide.insert(*attempt, width.len() as u64);
                }
            }
            Fact::AttemptStarted { attempt, started } => {
                let Some(job) = self.live.get_mut(&attempt.task.job) else { return };
                job.started(*started);
                job.running.insert(*attempt);
            }
            Fact::AttemptEnded(fact) => {
                let width = self.wide.remove(&fact.attempt).unwrap_or(1);
                let Some(job) = self.live.get_mut(&fact.attempt.task.job) else { return };
                job.attempt_ended(fact, width, falls);
            }
            Fact::OutputsKept(fact) if falls == Falls::Inside => {
                if let Some(job) = self.get(fact.rank.attempt.task.job) {
                    job.line.artefacts += fact.artefacts.len() as u64;
                }
            }
            Fact::FindingOpened(finding) => {
                if let Some(job) = finding.job.and_then(|job| self.get(job)) {
                    job.line.findings_total += 1;
                    if job.line.findings.len() < NAMED {
                        job.line.findings.push(finding.id.0);
                    }
                }
            }
            Fact::JobEnded { job, state, .. } => self.job_ended(*job, *state, falls),
            _ => {}
        }
    }

    /// A job that goes on, or has ended in the period.
    fn get(&mut self, id: JobId) -> Option<&mut Job> {
        self.live.get_mut(&id).or_else(|| self.ended.get_mut(&id))
    }

    /// Jobs that rest on it and have not started wait for somebody again.
    fn approval_ended(&mut self, id: ApprovalId) {
        for job in self.live.values_mut() {
            if job.line.approval == Some(id.0) && job.nodes.is_empty() {
                job.line.approval = None;
            }
        }
    }

    fn job_ended(&mut self, id: JobId, state: JobState, falls: Falls) {
        let Some(mut job) = self.live.remove(&id) else { return };
        if falls == Falls::Before {
            return;
        }
        state.as_str().clone_into(&mut job.line.state);
        // Nothing more comes of what took room while it went on.
        job.running = BTreeSet::new();
        self.ended.insert(id, job);
        self.total += 1;
        if self.ended.len() > self.most {
            self.ended.pop_first();
        }
    }

    /// The lines, ascending; `names` of nodes, and the versions of policies by their digests.
    pub(super) fn finish(
        mut self,
        names: &BTreeMap<NodeId, String>,
        versions: &BTreeMap<Hash, String>,
    ) -> List<JobLine> {
        let total = self.total + self.live.len() as u64;
        self.ended.append(&mut self.live);
        let cut = self.ended.len().saturating_sub(self.most);
        let mut list = List::of_most(self.most);
        for job in self.ended.into_values().skip(cut) {
            list.push(job.line(names, versions));
        }
        list.total = total;
        list
    }
}

impl Job {
    fn of(fact: &JobSubmitted, at: Timestamp) -> Self {
        let spec = &fact.spec;
        let image = spec.image.rsplit_once("sha256:").map(|(_, hex)| hex.to_owned());
        let line = JobLine {
            job: fact.job.0,
            name: spec.name.clone(),
            submitter: fact.submitter.clone(),
            project: spec.project.clone(),
            class: spec.class.clone(),
            tier: fact.tier.as_str().to_owned(),
            policy: fact.policy.to_string(),
            policy_version: None,
            submitted: when(at),
            state: String::new(),
            tasks: spec.array.count(),
            attempts: 0,
            first_start: None,
            last_end: None,
            node_seconds: 0,
            cpu_seconds: 0,
            energy_mwh: None,
            why_unknown: Some(NO_METER),
            nodes: Vec::new(),
            nodes_cut: false,
            image,
            content: content_of(spec).map(|content| content.to_string()),
            artefacts: 0,
            findings: Vec::new(),
            findings_total: 0,
            approval: fact.approval.map(|id| id.0),
            decided: None,
        };
        Self {
            line,
            policy: fact.policy,
            first_start: None,
            last_end: None,
            cpu_us: 0,
            node_us: 0,
            running: BTreeSet::new(),
            nodes: BTreeSet::new(),
        }
    }

    fn on(&mut self, node: NodeId) {
        if self.nodes.len() < NAMED {
            self.nodes.insert(node);
        } else if !self.nodes.contains(&node) {
            self.line.nodes_cut = true;
        }
    }

    fn started(&mut self, at: Timestamp) {
        self.first_start = Some(self.first_start.map_or(at, |first| first.min(at)));
    }

    fn attempt_ended(&mut self, fact: &AttemptEnded, width: u64, falls: Falls) {
        self.running.remove(&fact.attempt);
        if let Some(started) = fact.started {
            self.started(started);
            self.last_end = self.last_end.max(Some(fact.ended));
        }
        if falls == Falls::Inside {
            self.line.attempts += 1;
            self.cpu_us = self.cpu_us.saturating_add(fact.usage.cpu_us);
            let nodes_us = fact.usage.wall_us.saturating_mul(width);
            self.node_us = self.node_us.saturating_add(nodes_us);
        }
    }

    /// With what is known at the end only.
    fn line(self, names: &BTreeMap<NodeId, String>, versions: &BTreeMap<Hash, String>) -> JobLine {
        let mut line = self.line;
        if line.state.is_empty() {
            let word = if self.running.is_empty() { "waiting" } else { "running" };
            word.clone_into(&mut line.state);
        }
        line.policy_version = versions.get(&self.policy).cloned();
        line.first_start = self.first_start.and_then(when);
        line.last_end = self.last_end.and_then(when);
        // Divided here: of many short attempts, none has a whole second.
        (line.cpu_seconds, line.node_seconds) = (self.cpu_us / SECOND_US, self.node_us / SECOND_US);
        let name = |node: &NodeId| names.get(node).cloned().unwrap_or_else(|| node.to_string());
        line.nodes = self.nodes.iter().map(name).collect();
        line
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use repower_core::policy::Tier;
    use repower_model::{Fault, JobSpec, Key, Outcome, Part, Sequel, Span, TaskId, Usage};

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_777_633_200_000);
    const POLICY: Hash = Hash([6; 32]);

    fn submitted(job: u64) -> Fact {
        Fact::JobSubmitted(Box::new(JobSubmitted {
            job: JobId(job),
            key: Key([1; 16]),
            submitter: "ada".into(),
            spec: Arc::new(JobSpec { class: "sci-simulation".into(), ..JobSpec::default() }),
            tier: Tier::Permitted,
            policy: POLICY,
            review: false,
            waits_for: Vec::new(),
            approval: None,
            marks: Vec::new(),
        }))
    }

    fn attempt(job: u64, index: u32) -> AttemptId {
        AttemptId { task: TaskId { job: JobId(job), index }, number: 1 }
    }

    fn placed(job: u64, index: u32, nodes: &[u64]) -> Fact {
        let node = |node: &u64| NodeId(u32::try_from(*node).unwrap());
        let parts: Vec<Part> = nodes.iter().map(|one| Part { node: node(one), ranks: 1 }).collect();
        let parts = if parts.len() > 1 { parts } else { Vec::new() };
        let (attempt, node) = (attempt(job, index), node(&nodes[0]));
        Fact::AttemptPlaced { attempt, node, runway: false, alternative: 0, parts }
    }

    fn attempt_ended(job: u64, index: u32) -> Fact {
        Fact::AttemptEnded(Box::new(AttemptEnded {
            attempt: attempt(job, index),
            outcome: Outcome::Exited { code: 0 },
            fault: Fault::None,
            again_after: None,
            sequel: Sequel::Succeeded,
            started: Some(AT),
            ended: AT + Span::from_secs(3),
            usage: Usage { cpu_us: 600_000, wall_us: 2_500_000, ..Usage::default() },
        }))
    }

    fn job_ended(job: u64) -> Fact {
        let (job, state) = (JobId(job), JobState::Succeeded);
        Fact::JobEnded { job, state, succeeded: 1, failed: 0, cancelled: 0, exit_code: 0 }
    }

    fn lines(jobs: Jobs) -> List<JobLine> {
        let versions = BTreeMap::from([(POLICY, "v7".to_owned())]);
        jobs.finish(&BTreeMap::from([(NodeId(1), "n1".to_owned())]), &versions)
    }

    #[test]
    fn seconds_of_nodes_are_those_of_all_nodes_of_a_gang_and_of_short_attempts_together() {
        let mut jobs = Jobs::new(10);
        jobs.take(&submitted(1), AT, Falls::Inside);
        for (index, nodes) in [(0, vec![1]), (1, vec![1, 2, 3])] {
            jobs.take(&placed(1, index, &nodes), AT, Falls::Inside);
            jobs.take(&attempt_ended(1, index), AT, Falls::Inside);
        }

        let list = lines(jobs);

        let line = &list.lines[0];
        assert_eq!((line.node_seconds, line.cpu_seconds, line.attempts), (10, 1, 2));
        assert_eq!(line.nodes, ["n1", &NodeId(2).to_string(), &NodeId(3).to_string()]);
        assert_eq!(line.first_start, when(AT));
        assert_eq!(line.last_end, when(AT + Span::from_secs(3)));
        assert_eq!((line.state.as_str(), line.policy_version.as_deref()), ("waiting", Some("v7")));
        assert_eq!((line.energy_mwh, line.why_unknown), (None, Some(NO_METER)));
    }

    #[test]
    fn what_ended_before_the_period_is_left_out_and_what_went_on_into_it_is_not() {
        let mut jobs = Jobs::new(10);
        for job in 1..=3 {
            jobs.take(&submitted(job), AT, Falls::Before);
            jobs.take(&placed(job, 0, &[1]), AT, Falls::Before);
        }
        let started = Fact::AttemptStarted { attempt: attempt(3, 0), started: AT };
        jobs.take(&started, AT, Falls::Before);
        jobs.take(&attempt_ended(1, 0), AT, Falls::Before);
        jobs.take(&job_ended(1), AT, Falls::Before);
        jobs.take(&attempt_ended(2, 0), AT, Falls::Inside);
        jobs.take(&job_ended(2), AT, Falls::Inside);

        let list = lines(jobs);

        let told: Vec<_> =
            list.lines.iter().map(|one| (one.job, one.state.as_str(), one.attempts)).collect();
        assert_eq!(told, [(2, "succeeded", 1), (3, "running", 0)]);
        assert_eq!(list.total, 2);
    }

    #[test]
    fn of_very_many_jobs_the_latest_are_shown_and_all_are_counted() {
        let mut jobs = Jobs::new(3);
        for job in 1..=9 {
            jobs.take(&submitted(job), AT, Falls::Inside);
            if job < 7 {
                jobs.take(&job_ended(job), AT, Falls::Inside);
            }
        }

        let list = lines(jobs);

        assert_eq!((list.total, list.is_cut()), (9, true));
        assert_eq!(list.lines.iter().map(|one| one.job).collect::<Vec<_>>(), [7, 8, 9]);
    }
}
