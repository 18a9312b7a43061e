//! From facts to rows of the projections.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use repower_core::fact::{AttemptEnded, Entry, Fact, JobSubmitted};
use repower_core::state::{Job, State};
use repower_model::{
    Artefact, AttemptId, FindingId, JobId, JobState, NodeId, Sequel, Source, StopReason, TaskId,
    Timestamp,
};
use repower_proto::v1;
use repower_store::rows::{
    self, AttemptPlaced, CheckpointRow, ClaimRow, Collection, DecisionRow, FindingRow, JobEnded,
    JobRow, NodeRow, Row, StepTaken, Verdict,
};

/// Makes rows of facts. Remembers of live work what later rows need.
#[derive(Debug)]
pub(super) struct Projector {
    placed: BTreeMap<TaskId, (u32, NodeId, Timestamp)>,
    shown: BTreeMap<JobId, (JobState, Option<&'static str>)>,
    /// Jobs of which tasks save their work.
    saving: BTreeSet<JobId>,
}

#[derive(Default)]
struct Touched {
    jobs: BTreeSet<JobId>,
    nodes: BTreeMap<NodeId, Option<String>>,
    findings: BTreeSet<FindingId>,
    decided: BTreeSet<(JobId, Verdict, String, String)>,
}

impl Touched {
    /// The row about a decision that a fact brings, once for many tasks.
    fn decision(&mut self, entry: &Entry) -> Option<Row> {
        let (job, verdict, by, reason) = if let Fact::TasksCancelled { job, by, reason, .. } =
            &entry.fact
        {
            (*job, Verdict::Cancelled, by, reason)
        } else if let Fact::AttemptStopping { attempt, why: StopReason::Cancelled, by, reason } =
            &entry.fact
        {
            (attempt.task.job, Verdict::Cancelled, by, reason)
        } else if let Fact::JobReviewed { job, approved, by, reason, .. } = &entry.fact {
            (*job, if *approved { Verdict::Approved } else { Verdict::Denied }, by, reason)
        } else {
            return None;
        };
        let is_new = self.decided.insert((job, verdict, by.clone(), reason.clone()));
        let (by, reason) = (by.clone(), reason.clone());
        is_new.then_some(Row::Decided(DecisionRow { job, verdict, by, reason, at: entry.at }))
    }
}

impl Projector {
    /// One that goes on from a state.
    pub(super) fn of(state: &State) -> Self {
        let placed = state
            .attempts
            .iter()
            .map(|(task, attempt)| (*task, (attempt.number, attempt.node, attempt.placed)));
        let shown = state.jobs.values().map(|job| (job.id, (job.state(), hold_of(job))));
        let saving = state.jobs.values().filter(|job| job.spec.checkpoint).map(|job| job.id);
        Self { placed: placed.collect(), shown: shown.collect(), saving: saving.collect() }
    }

    /// The rows of some facts; `state` is that after them.
    pub(super) fn rows(&mut self, entries: &[Entry], state: &State) -> Vec<Row> {
        let mut touched = Touched::default();
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            rows.extend(self.row(entry, state, &mut touched));
            rows.extend(ranks(&entry.fact, state));
            rows.extend(files(&entry.fact));
            rows.extend(touched.decision(entry));
            rows.extend(self.checkpoint(entry));
            touched.findings.extend(finding(&entry.fact));
        }
        rows.extend(touched.jobs.iter().filter_map(|job| self.changed(state.job(*job)?)));
        rows.extend(touched.findings.iter().filter_map(|id| finding_row(*id, state)));
        let nodes = touched.nodes.into_iter();
        rows.extend(nodes.filter_map(|(node, reason)| node_row(node, reason, state)));
        rows
    }

    /// A row that changes nothing, to see whether the file can be written; none if there is
    /// neither a node nor a job.
    pub(super) fn probe(state: &State) -> Vec<Row> {
        let node = state.nodes.keys().next().and_then(|node| node_row(*node, None, state));
        let job = || state.jobs.values().next().map(state_row);
        node.or_else(job).into_iter().collect()
    }

    fn row(&mut self, entry: &Entry, state: &State, touched: &mut Touched) -> Option<Row> {
        match &entry.fact {
            Fact::JobSubmitted(fact) => {
                let row = submitted(fact, entry.at);
                let hold = row.hold_reason.is_some().then(|| first_hold(fact.review));
                self.shown.insert(fact.job, (row.state, hold));
                touched.jobs.insert(fact.job);
                Some(Row::JobSubmitted(Box::new(row)))
            }
            Fact::JobReviewed { job, .. }
            | Fact::DependencySettled { job, .. }
            | Fact::TasksCancelled { job, .. } => {
                touched.jobs.insert(*job);
                None
            }
            Fact::JobEnded { job, state, succeeded, failed, cancelled, exit_code } => {
                self.shown.remove(job);
                touched.jobs.remove(job);
                Some(Row::JobEnded(JobEnded {
                    id: *job,
                    state: *state,
                    exit_code: Some(*exit_code),
                    signal: None,
                    succeeded: *succeeded,
                    failed: *failed,
                    cancelled: *cancelled,
                    started: None,
                    ended: entry.at,
                }))
            }
            Fact::AttemptPlaced { attempt, node, .. } => {
                touched.jobs.insert(attempt.task.job);
                self.placed.insert(attempt.task, (attempt.number, *node, entry.at));
                Some(Row::AttemptPlaced(placed(*attempt, *node, entry.at, state)))
            }
            Fact::AttemptStarted { attempt, started } => {
                Some(Row::AttemptStarted { id: *attempt, started: *started })
            }
            Fact::AttemptEnded(fact) => {
                touched.jobs.insert(fact.attempt.task.job);
                self.ended(fact, state)
            }
            // They may hold any job, or let it go.
            Fact::PolicyAdopted { .. } | Fact::ApprovalEnded { .. } => {
                touched.jobs.extend(state.jobs.keys());
                None
            }
            Fact::TaskReturned { task, .. } => {
                touched.jobs.insert(task.job);
                None
            }
            Fact::NodeLost { node, reason }
            | Fact::NodeLeft { node, reason }
            | Fact::NodeDrained { node, reason, .. }
            | Fact::NodeHeldBack { node, reason } => {
                touched.nodes.insert(*node, Some(reason.clone()));
                None
            }
            Fact::NodeEnrolled { node, .. }
            | Fact::NodeConnected { node, .. }
            | Fact::NodeResumed { node, .. } => {
                touched.nodes.insert(*node, None);
                None
            }
            // They may hold the job, or let it go.
            Fact::FindingOpened(finding) => {
                touched.jobs.extend(finding.job);
                None
            }
            Fact::FindingSeen(seen) => {
                touched.jobs.extend(job_of(seen.finding, state));
                None
            }
            Fact::FindingReviewed { finding, .. } => {
                touched.jobs.extend(job_of(*finding, state));
                None
            }
            Fact::CellFounded { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. }
            | Fact::SubmissionRefused(_)
            | Fact::AttemptStopping { .. }
            | Fact::PlacePromised { .. }
            | Fact::ApprovalGiven(_)
            | Fact::ReservationMade(_)
            | Fact::ReservationEnded { .. }
            | Fact::RankStarted { .. }
            | Fact::RankEnded(_)
            | Fact::OutputsKept(_)
            | Fact::ProgressClaimed { .. }
            | Fact::StopStepTaken { .. }
            | Fact::CheckpointSettled { .. }
            | Fact::TaskEntered { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenUsed { .. }
            | Fact::TokenRevoked { .. } => None,
        }
    }

    /// The row about what tasks have saved that a fact brings.
    fn checkpoint(&mut self, entry: &Entry) -> Option<Row> {
        if let Fact::JobSubmitted(fact) = &entry.fact {
            if fact.spec.checkpoint {
                self.saving.insert(fact.job);
            }
            return None;
        }
        if let Fact::CheckpointSettled { attempt, kept } = &entry.fact {
            let (id, kept, settled) = (*attempt, kept.clone(), entry.at);
            return Some(Row::CheckpointSettled(CheckpointRow { id, kept, settled, needed: true }));
        }
        if let Fact::AttemptEnded(fact) = &entry.fact {
            let TaskId { job, index } = fact.attempt.task;
            let is_over = matches!(fact.sequel, Sequel::Succeeded | Sequel::Cancelled);
            let dropped = Row::CheckpointsDropped { job, index: Some(index) };
            return (is_over && self.saving.contains(&job)).then_some(dropped);
        }
        let Fact::JobEnded { job, .. } = &entry.fact else { return None };
        let dropped = Row::CheckpointsDropped { job: *job, index: None };
        self.saving.remove(job).then_some(dropped)
    }

    fn ended(&mut self, fact: &AttemptEnded, state: &State) -> Option<Row> {
        let (number, node, at) = self.placed.remove(&fact.attempt.task)?;
        debug_assert_eq!(number, fact.attempt.number, "only the latest attempt is live");
        Some(Row::AttemptEnded(Box::new(rows::AttemptEnded {
            placed: placed(fact.attempt, node, at, state),
            outcome: fact.outcome.clone(),
            fault: fact.fault,
            sequel: fact.sequel,
            started: fact.started,
            ended: fact.ended,
            usage: fact.usage,
        })))
    }

    /// The row of a live job of which not its state, or not what holds it, was shown last.
    fn changed(&mut self, job: &Job) -> Option<Row> {
        let now = (job.state(), hold_of(job));
        if self.shown.insert(job.id, now) == Some(now) {
            return None;
        }
        Some(state_row(job))
    }
}

fn state_row(job: &Job) -> Row {
    let hold_reason = hold_of(job).map(str::to_owned);
    Row::JobState { id: job.id, state: job.state(), hold_reason, started: job.started }
}

/// What holds a job, if it is held: the policy before a finding, and that before other jobs.
fn hold_of(job: &Job) -> Option<&'static str> {
    if job.state() != JobState::Held {
        return None;
    }
    let by_policy = job.held_by_policy().map(|reason| reason.code());
    let by_finding = (!job.findings.is_empty()).then_some("finding.job-held");
    by_policy.or(by_finding).or(Some("dependency.waiting"))
}

fn placed(id: AttemptId, node: NodeId, at: Timestamp, state: &State) -> AttemptPlaced {
    AttemptPlaced { id, node, node_name: name_of(node, state), placed: at }
}

/// The finding that a fact is about.
fn finding(fact: &Fact) -> Option<FindingId> {
    if let Fact::FindingOpened(finding) = fact {
        return Some(finding.id);
    }
    if let Fact::FindingSeen(seen) = fact {
        return Some(seen.finding);
    }
    if let Fact::FindingReviewed { finding, .. } = fact {
        return Some(*finding);
    }
    None
}

fn job_of(finding: FindingId, state: &State) -> Option<JobId> {
    state.findings.get(finding)?.job
}

fn finding_row(id: FindingId, state: &State) -> Option<Row> {
    let finding = state.findings.get(id)?.clone();
    let body = v1::Finding::from(&finding).encode_to_vec();
    Some(Row::Finding(Box::new(FindingRow { finding, body })))
}

/// The rows of the ranks of a gang that a fact is about.
fn ranks(fact: &Fact, state: &State) -> Vec<Row> {
    if let Fact::AttemptPlaced { attempt, parts, .. } = fact {
        let nodes = parts.iter().flat_map(|part| (0..part.ranks).map(|_| part.node));
        let row = |(rank, node): (u32, NodeId)| Row::RankPlaced {
            id: attempt.rank(rank),
            node,
            node_name: name_of(node, state),
        };
        return (0..).zip(nodes).map(row).collect();
    }
    if let Fact::RankStarted { rank, started } = fact {
        return vec![Row::RankStarted { id: *rank, started: *started }];
    }
    if let Fact::RankEnded(ended) = fact {
        let row = rows::RankEnded {
            outcome: ended.outcome.clone(),
            usage: ended.usage,
            started: ended.started,
            ended: ended.ended,
        };
        return vec![Row::RankEnded { id: ended.rank, ended: Box::new(row) }];
    }
    Vec::new()
}

/// The row about files, the step of a stop or claimed progress that a fact brings.
fn files(fact: &Fact) -> Option<Row> {
    if let Fact::StopStepTaken { rank, step, cause, signal, taken } = *fact {
        return Some(Row::StepTaken(StepTaken { id: rank, step, cause, signal, taken }));
    }
    if let Fact::OutputsKept(kept) = fact {
        let (artefacts, missing) = (kept.artefacts.clone(), kept.missing.clone());
        return Some(Row::OutputsKept(Collection { id: kept.rank, artefacts, missing }));
    }
    if let Fact::ProgressClaimed { rank, progress } = fact {
        let (id, progress) = (*rank, (**progress).clone());
        return Some(Row::ProgressClaimed(Box::new(ClaimRow { id, progress })));
    }
    let Fact::JobSubmitted(submitted) = fact else { return None };
    let stored = submitted.spec.inputs.iter().filter_map(|input| match input.source {
        Source::Stored { digest, bytes } => {
            Some(Artefact { path: input.path.clone(), bytes, digest })
        }
        Source::Url { .. } => None,
    });
    let inputs: Vec<Artefact> = stored.collect();
    (!inputs.is_empty()).then_some(Row::InputsGiven { job: submitted.job, inputs })
}

fn name_of(node: NodeId, state: &State) -> String {
    state.nodes.get(&node).map(|node| node.name.clone()).unwrap_or_default()
}

fn submitted(fact: &JobSubmitted, at: Timestamp) -> JobRow {
    let held = fact.review || !fact.waits_for.is_empty();
    JobRow {
        id: fact.job,
        key: fact.key,
        name: fact.spec.name.clone(),
        class: fact.spec.class.clone(),
        tier: fact.tier.as_str().to_owned(),
        project: fact.spec.project.clone(),
        submitter: fact.submitter.clone(),
        state: if held { JobState::Held } else { JobState::Pending },
        // What holds it exactly is known once it is in the state.
        hold_reason: held.then(|| first_hold(fact.review).to_owned()),
        exit_code: None,
        signal: None,
        tasks: fact.spec.array.count(),
        succeeded: 0,
        failed: 0,
        cancelled: 0,
        priority: fact.spec.priority.into(),
        submitted: at,
        started: None,
        ended: None,
        policy_hash: fact.policy.to_string(),
        spec: v1::JobSpec::from(&*fact.spec).encode_to_vec(),
    }
}

fn first_hold(review: bool) -> &'static str {
    if review { "policy.review" } else { "dependency.waiting" }
}

fn node_row(id: NodeId, reason: Option<String>, state: &State) -> Option<Row> {
    let node = state.nodes.get(&id)?;
    let drained = || node.drained.as_ref().map(|(_, reason)| reason.clone());
    Some(Row::Node(Box::new(NodeRow {
        id,
        name: node.name.clone(),
        phase: node.phase.as_str().to_owned(),
        cpus_milli: node.capacity().cpus.as_milli(),
        memory_bytes: node.capacity().memory.as_u64(),
        isa: node.inventory.isa_level.clone(),
        kernel: node.inventory.kernel.clone(),
        version: node.inventory.version.clone(),
        since: node.since,
        reason: reason.or_else(|| node.held_back.clone()).or_else(drained),
    })))
}

#[cfg(test)]
mod tests {
    use repower_core::engine::Engine;
    use repower_core::input::{Approve, Input, Submit};
    use repower_model::{ApprovalId, Hash, JobSpec, Key, Mark, Resources, Sign};

    use super::*;

    struct Case {
        engine: Engine,
        projector: Projector,
    }

    impl Case {
        /// What the rows of a turn say of the one job.
        #[expect(clippy::wildcard_enum_match_arm, reason = "two kinds of rows are about jobs")]
        fn turn(&mut self, input: &Input) -> Option<(JobState, Option<String>)> {
            let seq = self.engine.state().seq;
            let turn = self.engine.turn(input, Timestamp::from_millis(1_000)).unwrap();
            let at = self.engine.state().now;
            let entries = (seq..).zip(turn.facts).map(|(seq, fact)| Entry { seq, at, fact });
            let entries: Vec<Entry> = entries.collect();
            let rows = self.projector.rows(&entries, self.engine.state());
            rows.into_iter().rev().find_map(|row| match row {
                Row::JobState { state, hold_reason, .. } => Some((state, hold_reason)),
                Row::JobSubmitted(row) => Some((row.state, row.hold_reason)),
                _ => None,
            })
        }

        fn adopt(&mut self, tier: &str) -> Option<(JobState, Option<String>)> {
            let text = format!(
                "policy-version = \"{tier}\"\n[class.a]\ntier = \"{tier}\"\nentry = \"x\"\n\
                 [class.b]\ntier = \"permitted\"\n"
            );
            self.turn(&Input::Adopt { text, by: "op".into(), replaces: None })
        }
    }

    fn submit(marks: Vec<Mark>) -> Input {
        let resources =
            Resources { cpus: repower_model::Cpus::from_whole(1), ..Resources::default() };
        let (class, command) = ("a".into(), vec!["true".into()]);
        let spec = JobSpec { class, command, resources, ..JobSpec::default() };
        Input::Submit(Box::new(Submit {
            key: Key([1; 16]),
            submitter: "ada".into(),
            spec,
            spec_hash: Hash([0; 32]),
            past: Vec::new(),
            marks,
            looked_by: None,
        }))
    }

    fn case() -> Case {
        let engine = Engine::new();
        let projector = Projector::of(engine.state());
        Case { engine, projector }
    }

    fn held(code: &str) -> (JobState, Option<String>) {
        (JobState::Held, Some(code.to_owned()))
    }

    #[test]
    fn what_a_policy_or_the_end_of_an_approval_holds_or_lets_go_is_in_the_table() {
        let mut case = case();
        case.adopt("review");
        let approve = Input::Approve(Box::new(Approve {
            class: "a".into(),
            project: None,
            content: None,
            until: Timestamp::from_millis(50_000),
            by: "op".into(),
            reason: "read it".into(),
        }));
        case.turn(&approve);
        assert_eq!(case.turn(&submit(Vec::new())), Some((JobState::Pending, None)));
        let (by, reason) = ("op".to_owned(), "over".to_owned());
        let end = Input::Unapprove { id: ApprovalId(1), by, reason };

        assert_eq!(case.turn(&end), Some(held("policy.review")));
        assert_eq!(case.adopt("prohibited"), Some(held("policy.barred")));
        assert_eq!(case.adopt("permitted"), Some(held("policy.review")), "nobody has looked");
    }

    #[test]
    fn a_job_that_is_held_for_what_was_found_in_it_is_said_to_be() {
        let mut case = case();
        case.adopt("permitted");
        let mark = Mark { sign: Sign::Word, place: "command".into(), detail: "x".into() };

        assert_eq!(case.turn(&submit(vec![mark])), Some(held("content.review")));
    }
}
