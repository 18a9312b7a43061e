//! Every metric of the scheduler: name, unit, help. Names follow the conventions of Prometheus;
//! no label names a job, a task or a node.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use repower_core::fact::{Entry, Fact};
use repower_core::life::attempt::Phase;
use repower_core::state::{Attempt, State};
use repower_model::{AttemptId, FindingState, JobState, NodePhase, TaskId};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResponse {
    response: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhase {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// Every metric of the scheduler.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    queue_wait: Histogram,
    turn: Histogram,
    commit: Histogram,
    commit_facts: Histogram,
    refusals: Family<ByCode, Counter>,
    attempts_ended: Family<ByOutcome, Counter>,
    ledger_entries: Counter,
    tasks: Family<ByState, Gauge>,
    jobs: Family<ByState, Gauge>,
    nodes: Family<ByPhase, Gauge>,
    links: Gauge,
    findings: Family<ByState, Gauge>,
    findings_opened: Family<ByResponse, Counter>,
    findings_decided: Family<ByState, Counter>,
    finding_decision: Histogram,
    finding_oldest: Gauge,
    evidence_lost: Counter,
    frozen: Gauge,
    quarantined: Gauge,
    output_stored: Gauge,
    output_saved: Counter,
    output_removed: Counter,
    output_held: Gauge,
    disk_free: Gauge,
    disk_reserve: Gauge,
}

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/openmetrics-text`.
    OpenMetrics,
    /// `text/plain; version=0.0.4`, for those who do not ask for the other.
    Plain,
}

impl Metrics {
    /// All at zero, but for the entries that are in the ledger already.
    pub(crate) fn new(ledger_entries: u64) -> Arc<Self> {
        let durations = || Histogram::new(exponential_buckets(0.000_05, 2.0, 18));
        let metrics = Self {
            registry: Mutex::default(),
            queue_wait: Histogram::new(exponential_buckets(0.001, 4.0, 12)),
            turn: durations(),
            commit: durations(),
            commit_facts: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            refusals: Family::default(),
            attempts_ended: Family::default(),
            ledger_entries: Counter::default(),
            tasks: Family::default(),
            jobs: Family::default(),
            nodes: Family::default(),
            links: Gauge::default(),
            findings: Family::default(),
            findings_opened: Family::default(),
            findings_decided: Family::default(),
            finding_decision: Histogram::new(exponential_buckets(1.0, 4.0, 12)),
            finding_oldest: Gauge::default(),
            evidence_lost: Counter::default(),
            frozen: Gauge::default(),
            quarantined: Gauge::default(),
            output_stored: Gauge::default(),
            output_saved: Counter::default(),
            output_removed: Counter::default(),
            output_held: Gauge::default(),
            disk_free: Gauge::default(),
            disk_reserve: Gauge::default(),
        };
        metrics.ledger_entries.inc_by(ledger_entries);
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&self) {
        let registry = &mut *self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = [
            (
                "repower_queue_wait",
                "Time from submission, or from the start that was asked for, until a task was first placed on a node",
                &self.queue_wait,
            ),
            (
                "repower_turn_duration",
                "Time to decide what comes of one batch of inputs",
                &self.turn,
            ),
            ("repower_commit_duration", "Time to make one batch of facts durable", &self.commit),
            (
                "repower_finding_decision",
                "Time from the opening of a finding until a person confirmed or dismissed it",
                &self.finding_decision,
            ),
        ];
        for (name, help, metric) in seconds {
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        }
        registry.register("repower_commit_facts", "Facts in one commit", self.commit_facts.clone());
        registry.register(
            "repower_refusals",
            "Calls that were not done, by stable code",
            self.refusals.clone(),
        );
        registry.register(
            "repower_attempts_ended",
            "Attempts that ended, by how",
            self.attempts_ended.clone(),
        );
        registry.register(
            "repower_ledger_entries",
            "Facts in the ledger",
            self.ledger_entries.clone(),
        );
        registry.register(
            "repower_tasks",
            "Tasks that have not ended, by state",
            self.tasks.clone(),
        );
        registry.register("repower_jobs", "Jobs that have not ended, by state", self.jobs.clone());
        registry.register("repower_nodes", "Nodes, by phase", self.nodes.clone());
        registry.register("repower_links", "Agents that are connected now", self.links.clone());
        registry.register(
            "repower_findings",
            "Findings that a person still has to decide, by state",
            self.findings.clone(),
        );
        registry.register(
            "repower_findings_opened",
            "Findings that were opened, by what was done at first",
            self.findings_opened.clone(),
        );
        registry.register(
            "repower_findings_decided",
            "Decisions about findings, by what they came to",
            self.findings_decided.clone(),
        );
        registry.register_with_unit(
            "repower_finding_oldest_undecided_timestamp",
            "When the oldest finding was opened that a person still has to decide, since 1970; 0 if there is none",
            Unit::Seconds,
            self.finding_oldest.clone(),
        );
        registry.register(
            "repower_evidence_lost",
            "Bundles of evidence that the store of artefacts could not keep",
            self.evidence_lost.clone(),
        );
        registry.register(
            "repower_tasks_frozen",
            "Tasks that stand still until a person has looked",
            self.frozen.clone(),
        );
        registry.register(
            "repower_programs_quarantined",
            "Programs that must not run anywhere",
            self.quarantined.clone(),
        );
        registry.register_with_unit(
            "repower_output_stored",
            "What the output of tasks takes on the disk, at the last look",
            Unit::Bytes,
            self.output_stored.clone(),
        );
        registry.register_with_unit(
            "repower_output_saved",
            "What compressing the output of ended tasks has saved",
            Unit::Bytes,
            self.output_saved.clone(),
        );
        self.register_disk(registry);
    }

    fn register_disk(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "repower_output_removed",
            "Output of ended tasks that was removed, because it was old or there was too much",
            Unit::Bytes,
            self.output_removed.clone(),
        );
        registry.register(
            "repower_output_held",
            "Whether agents keep the output of tasks because the disk of the data folder is nearly full: 1 if so",
            self.output_held.clone(),
        );
        registry.register_with_unit(
            "repower_disk_free",
            "What is free on the disk of the data folder",
            Unit::Bytes,
            self.disk_free.clone(),
        );
        registry.register_with_unit(
            "repower_disk_reserve",
            "How much of that is kept for the ledger: output and files of jobs are not taken when less is free",
            Unit::Bytes,
            self.disk_reserve.clone(),
        );
    }

    /// What the disk of the data folder has, and whether output is held back for that.
    pub(crate) fn disk(&self, free: u64, reserve: u64, held: bool) {
        self.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        self.disk_reserve.set(i64::try_from(reserve).unwrap_or(i64::MAX));
        self.output_held.set(held.into());
    }

    /// What the output of tasks takes.
    pub(crate) fn output_stored(&self, bytes: u64) {
        self.output_stored.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Compressing output has saved so many bytes.
    pub(crate) fn output_saved(&self, bytes: u64) {
        self.output_saved.inc_by(bytes);
    }

    /// So many bytes of output were removed.
    pub(crate) fn output_removed(&self, bytes: u64) {
        self.output_removed.inc_by(bytes);
    }

    /// A batch was turned.
    pub(crate) fn turned(&self, took: Duration) {
        self.turn.observe(took.as_secs_f64());
    }

    /// A batch was made durable.
    pub(crate) fn committed(&self, facts: usize, took: Duration) {
        self.commit.observe(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^52 facts")]
        self.commit_facts.observe(facts as f64);
        self.ledger_entries.inc_by(facts as u64);
    }

    /// A call was not done.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&ByCode { code }).inc();
    }

    /// A fact is durable, and true in `state`.
    pub(crate) fn fact(&self, state: &State, entry: &Entry) {
        if let Fact::AttemptPlaced { attempt, .. } = &entry.fact
            && attempt.number == 1
            && let Some(job) = state.job(attempt.task.job)
        {
            let since = job.submitted.max(job.spec.start_after.unwrap_or_default());
            let waited = Duration::from_millis(entry.at.since(since).as_millis());
            self.queue_wait.observe(waited.as_secs_f64());
        }
        if let Fact::AttemptEnded(fact) = &entry.fact {
            let outcome = fact.outcome.code();
            self.attempts_ended.get_or_create(&ByOutcome { outcome }).inc();
        }
        if let Fact::FindingOpened(finding) = &entry.fact {
            let response = finding.response.as_str();
            self.findings_opened.get_or_create(&ByResponse { response }).inc();
            let lost = finding.evidence.iter().filter(|bundle| !bundle.kept).count();
            self.evidence_lost.inc_by(lost as u64);
        }
        if let Fact::FindingSeen(seen) = &entry.fact
            && seen.evidence.is_some_and(|bundle| !bundle.kept)
        {
            self.evidence_lost.inc();
        }
        if let Fact::FindingReviewed { finding, state: decided, .. } = &entry.fact {
            self.findings_decided.get_or_create(&ByState { state: decided.as_str() }).inc();
            let is_decision = matches!(decided, FindingState::Confirmed | FindingState::Dismissed);
            if let Some(finding) = state.findings.get(*finding).filter(|_| is_decision) {
                let took = Duration::from_millis(entry.at.since(finding.opened).as_millis());
                self.finding_decision.observe(took.as_secs_f64());
            }
        }
    }

    /// Everything as text, with the gauges as they are in `state`.
    pub(crate) fn encode(&self, state: &State, links: usize, format: Format) -> String {
        self.gauge(state, links);
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut text, &registry).expect("writing to a string does not fail");
        drop(registry);
        match format {
            Format::OpenMetrics => text,
            Format::Plain => plain(&text),
        }
    }

    fn gauge(&self, state: &State, links: usize) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let sum = |found: &mut dyn Iterator<Item = u64>| count(found.sum());
        for wanted in [JobState::Held, JobState::Pending, JobState::Running] {
            let jobs = state.jobs.values().filter(|job| job.state() == wanted).count() as u64;
            self.jobs.get_or_create(&ByState { state: wanted.as_str() }).set(count(jobs));
        }
        let mut tasks = [0_u64; 3];
        for attempt in state.attempts.values() {
            tasks[match attempt.phase {
                Phase::Placed | Phase::Recalled => 0,
                Phase::Running => 1,
                Phase::Ending | Phase::Preempting | Phase::Draining | Phase::Cancelling => 2,
            }] += 1;
        }
        let pending = sum(&mut state.jobs.values().map(|job| job.pending.len()));
        self.tasks.get_or_create(&ByState { state: "pending" }).set(pending);
        for (state, number) in ["placed", "running", "stopping"].into_iter().zip(tasks) {
            self.tasks.get_or_create(&ByState { state }).set(count(number));
        }
        for phase in [NodePhase::Enrolled, NodePhase::Up, NodePhase::Lost, NodePhase::Left] {
            let nodes = state.nodes.values().filter(|node| node.phase == phase).count() as u64;
            self.nodes.get_or_create(&ByPhase { phase: phase.as_str() }).set(count(nodes));
        }
        self.links.set(count(links as u64));
        for wanted in FindingState::ALL.into_iter().filter(|state| state.is_undecided()) {
            let found = state.findings.iter().filter(|one| one.state == wanted).count() as u64;
            self.findings.get_or_create(&ByState { state: wanted.as_str() }).set(count(found));
        }
        let undecided = state.findings.iter().filter(|one| one.state.is_undecided());
        let oldest = undecided.map(|one| one.opened.as_millis() / 1000).min();
        self.finding_oldest.set(oldest.unwrap_or_default());
        let is_frozen = |(task, live): &(&TaskId, &Attempt)| {
            let attempt = AttemptId { task: **task, number: live.number };
            state.findings.freezes(attempt).is_some()
        };
        self.frozen.set(count(state.attempts.iter().filter(is_frozen).count() as u64));
        self.quarantined.set(count(state.findings.forbidden().len() as u64));
    }
}

/// The older format of Prometheus: there the name of a counter's family ends in `_total` too, and
/// there are no units and no end.
fn plain(open_metrics: &str) -> String {
    let counters: BTreeSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let comment = ["# HELP ", "# TYPE "].into_iter().find(|start| line.starts_with(start));
        let renamed = comment.and_then(|start| {
            let (name, rest) = line[start.len()..].split_once(' ')?;
            counters.contains(name).then(|| format!("{start}{name}_total {rest}"))
        });
        writeln!(text, "{}", renamed.as_deref().unwrap_or(line))
            .expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_end_in_total_in_both_formats() {
        let metrics = Metrics::new(3);
        metrics.refused("class.unknown");

        let open = metrics.encode(&State::default(), 0, Format::OpenMetrics);
        let plain = metrics.encode(&State::default(), 0, Format::Plain);

        assert!(open.contains("# TYPE repower_refusals counter\n"), "{open}");
        assert!(open.ends_with("# EOF\n"));
        assert!(plain.contains("# TYPE repower_refusals_total counter\n"), "{plain}");
        assert!(plain.contains("repower_refusals_total{code=\"class.unknown\"} 1\n"), "{plain}");
        assert!(plain.contains("repower_ledger_entries_total 3\n"), "{plain}");
        assert!(plain.contains("# TYPE repower_queue_wait_seconds histogram\n"), "{plain}");
        assert!(!plain.contains("EOF") && !plain.contains("UNIT"));
    }
}
