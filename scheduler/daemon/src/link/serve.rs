//! One link, from its hello to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use repower_core::input::{Input, Report};
use repower_core::life::attempt::Phase;
use repower_core::state::Findings;
use repower_model::{AttemptId, Finding, NodeId, RankId, Stored, Verdict};
use repower_proto::convert;
use repower_proto::v1;
use repower_proto::v1::from_agent::Body as In;
use repower_store::output::Chunk;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::Outbox;
use super::told::{Bundle, Sorted, brief, claimed, rank, short, sort};
use crate::claims;
use crate::clock;
use crate::keeper::{Hello, Mail, Reports};
use crate::problem::Problem;
use crate::samples::{self, Sample};
use crate::shared::Shared;

/// The version of the protocol that is spoken here.
const PROTOCOL: u32 = 1;
/// How long a new link may be silent.
const HELLO: Duration = Duration::from_secs(10);

/// The most tasks of which a node is heard that it has what they have saved.
const SAVED: usize = 10_000;

type Sender = mpsc::Sender<Result<v1::ToAgent, Status>>;

/// Serves a link of a node until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    node: NodeId,
    mut inbound: Streaming<v1::FromAgent>,
    sender: Sender,
) {
    let hello = match tokio::time::timeout(HELLO, inbound.message()).await {
        Ok(Ok(Some(v1::FromAgent { body: Some(In::Hello(hello)) }))) => hello,
        Ok(Ok(_)) => return refuse(&sender, "the first message of a link is a hello").await,
        Ok(Err(status)) => return tracing::debug!(%node, %status, "a link broke before its hello"),
        Err(_) => return refuse(&sender, "no hello came within 10 s").await,
    };
    let outbox = match open(&shared, node, hello).await {
        Ok(outbox) => outbox,
        Err(problem) => return refuse(&sender, &problem.text).await,
    };
    let mut link = Reader { shared: &shared, outbox: &outbox, next: None, cut: BTreeSet::new() };
    tokio::select! {
        end = link.read(inbound) => {
            if let Err(problem) = end {
                tracing::warn!(%node, problem = problem.text, "a link is closed");
            }
        }
        () = write(&outbox, &sender) => {}
    }
    outbox.close();
    shared.samples.forget(node);
    shared.claims.forget(node);
    shared.links.ended(&outbox);
    tracing::debug!(%node, "a link has ended");
}

async fn refuse(sender: &Sender, reason: &str) {
    let dismissed = v1::Dismissed { reason: reason.to_owned(), r#final: false };
    let body = Some(v1::to_agent::Body::Dismissed(dismissed));
    if sender.send(Ok(v1::ToAgent { body })).await.is_err() {
        tracing::debug!(reason, "an agent did not wait to be refused");
    }
}

async fn open(shared: &Shared, node: NodeId, hello: v1::Hello) -> Result<Arc<Outbox>, Problem> {
    if hello.protocol != PROTOCOL {
        let text = format!(
            "the agent speaks version {} of the protocol, the scheduler version {PROTOCOL}",
            hello.protocol
        );
        return Err(Problem::bad_request(text));
    }
    let instance = convert::instance("hello.instance", &hello.instance)?;
    let inventory = Box::new(convert::inventory(hello.inventory.map(brief))?);
    if !is_address(&inventory.address) {
        return Err(Problem::bad_request(format!(
            "the agent's address, {:?}, is neither a name nor an address of a host",
            inventory.address
        )));
    }
    let held = hello.held.into_iter().map(Into::into).collect();
    let saved = hello.saved.into_iter().take(SAVED).map(Into::into).collect();
    let outbox = Arc::new(Outbox::new(node, instance));
    shared.heard(node);
    let input = Input::Hello { node, instance, inventory, held, saved };
    let welcome = v1::Welcome {
        node: node.0,
        cell: shared.options.cell.clone(),
        lease_ms: shared.options.lease_ms,
        heartbeat_ms: shared.options.heartbeat().as_millis(),
        output_bytes: shared.options.output_bytes,
    };
    let hello = Hello { input, outbox: Arc::clone(&outbox), welcome };
    shared.keeper.send(Mail::Hello(Box::new(hello))).await?;
    Ok(outbox)
}

/// Sends what is in the outbox until the link ends.
async fn write(outbox: &Outbox, sender: &Sender) {
    while let Ok(room) = sender.reserve().await {
        match outbox.next().await {
            Some(message) => room.send(Ok(message)),
            None => return,
        }
    }
}

/// The half of a link that listens.
struct Reader<'a> {
    shared: &'a Shared,
    outbox: &'a Arc<Outbox>,
    /// The number of the next report, once one has come.
    next: Option<u64>,
    /// Of whom output was dropped, until their end is told.
    cut: BTreeSet<RankId>,
}

impl Reader<'_> {
    async fn read(&mut self, mut inbound: Streaming<v1::FromAgent>) -> Result<(), Problem> {
        loop {
            let message = match inbound.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(status) => {
                    tracing::debug!(node = %self.outbox.node, %status, "a link broke");
                    return Ok(());
                }
            };
            self.shared.heard(self.outbox.node);
            match convert::present("body", message.body)? {
                In::Hello(_) => return Err(Problem::bad_request("a second hello on one link")),
                In::Heartbeat(_) => self.outbox.answer(),
                In::Reports(reports) => self.reports(reports).await?,
                In::Samples(samples) => self.samples(samples)?,
                In::Claims(claims) => self.claims(claims)?,
                In::Goodbye(goodbye) => self.goodbye(goodbye.reason).await?,
            }
        }
    }

    /// Keeps the output first, so that an end is known only after everything that was printed.
    async fn reports(&mut self, reports: v1::Reports) -> Result<(), Problem> {
        let count = reports.reports.len() as u64;
        if let Some(expected) = self.next.filter(|next| *next != reports.first) {
            let first = reports.first;
            return Err(Problem::bad_request(format!(
                "reports go on with {first}, not {expected}"
            )));
        }
        let next = reports.first.checked_add(count);
        self.next = Some(next.ok_or_else(|| Problem::bad_request("report numbers overflow"))?);
        let Some(through) = self.next.and_then(|next| next.checked_sub(1)) else {
            return Err(Problem::bad_request("reports are numbered from 1"));
        };
        let Sorted { chunks, mut told, bundles } = sort(reports.reports)?;
        let chunks = self.of_this_node(chunks);
        let outbox = Arc::clone(self.outbox);
        let mut cut = std::mem::take(&mut self.cut);
        let told = self.present(async {
            if !chunks.is_empty() {
                let dropped = self.shared.printer.keep(chunks, |chunk| self.is_wanted(chunk));
                cut.extend(dropped.await?);
            }
            for report in &mut told {
                if let Report::Ended { rank, usage, .. } = report {
                    usage.truncated |= cut.remove(rank);
                }
            }
            for bundle in bundles {
                self.keep(bundle, &mut told).await;
            }
            self.check_saved(&mut told).await;
            self.shared.keeper.send(Mail::Reports(Reports { outbox, told, through })).await
        });
        told.await?;
        self.cut = cut;
        Ok(())
    }

    /// Does something that may take its time. An agent whose message is in our hands is there,
    /// even if nobody reads what it sends meanwhile; and it hears that we are.
    async fn present<T>(&self, work: impl Future<Output = T>) -> T {
        let often = Duration::from_millis(self.shared.options.lease_ms / 4);
        let mut work = std::pin::pin!(work);
        loop {
            let done = tokio::time::timeout(often, work.as_mut()).await;
            if !self.outbox.is_closed() {
                self.shared.heard(self.outbox.node);
            }
            match done {
                Ok(done) => return done,
                Err(_) => self.outbox.answer(),
            }
        }
    }

    /// Keeps evidence before the finding is a fact. A store that cannot take it does not keep the finding
    /// from being one: it then says that the evidence was not kept.
    async fn keep(&self, bundle: Bundle, told: &mut [Report]) {
        let Some(Report::Noticed(noticed)) = told.get_mut(bundle.at) else { return };
        let (rank, node) = (noticed.rank, self.outbox.node);
        let is_wanted = {
            let state = self.shared.published.read();
            let is_here = state.may_tell_of(rank, node);
            is_here && wants(&state.findings, rank.attempt, &noticed.verdicts)
        };
        if !is_wanted {
            // Nothing would ever refer to it.
            noticed.evidence = None;
            return;
        }
        let Some(evidence) = noticed.evidence.as_mut() else { return };
        match self.shared.artefacts.keep(evidence.digest, bundle.bytes).await {
            Ok(()) => evidence.kept = true,
            Err(error) => {
                tracing::error!(attempt = %rank.attempt, %error, "evidence cannot be kept");
            }
        }
    }

    /// What a task has saved replaces what it had saved before only if it is there.
    async fn check_saved(&self, told: &mut [Report]) {
        for report in told {
            let Report::Saved { kept, rank } = report else { continue };
            let Ok(Stored { digest, bytes }) = kept else { continue };
            match self.shared.artefacts.store().stat(*digest).await {
                Ok(found) if found.bytes == Some(*bytes) => {}
                // Whoever has sent it has heard that it is there.
                Err(error) => {
                    tracing::warn!(attempt = %rank.attempt, %error, "cannot look for what a task has saved");
                }
                Ok(_) => *kept = Err("the node says that it is in the store, but it is not".into()),
            }
        }
    }

    /// Output of attempts that are not on this node is passed over: it comes too late, or is not
    /// this node's to print.
    fn of_this_node(&self, mut chunks: Vec<Chunk>) -> Vec<Chunk> {
        if !chunks.is_empty() {
            let state = self.shared.published.read();
            chunks.retain(|chunk| {
                let RankId { attempt, rank } = chunk.rank;
                let live = state.attempts.get(&attempt.task);
                live.is_some_and(|live| {
                    live.number == attempt.number && live.has(rank, self.outbox.node)
                })
            });
        }
        chunks
    }

    /// Whether output is worth waiting for until there is room for it: that of what is being cancelled, or has been given
    /// up, is not.
    fn is_wanted(&self, chunk: &Chunk) -> bool {
        let state = self.shared.published.read();
        let AttemptId { task, number } = chunk.rank.attempt;
        let live = state.attempts.get(&task).filter(|live| live.number == number);
        live.is_some_and(|live| live.phase != Phase::Cancelling)
    }

    /// What the processes of this node use; whatever is not on it is passed over.
    fn samples(&self, samples: v1::Samples) -> Result<(), Problem> {
        let node = self.outbox.node;
        let mut told = Vec::with_capacity(samples.samples.len().min(samples::MOST));
        for sample in samples.samples.into_iter().take(samples::MOST) {
            let v1::Sample { attempt, cpu_us, memory_bytes, processes } = sample;
            told.push((rank(attempt)?, Sample { cpu_us, memory_bytes, processes }));
        }
        let state = self.shared.published.read();
        told.retain(|(RankId { attempt, rank }, _)| {
            let live = state.attempts.get(&attempt.task);
            live.is_some_and(|live| live.number == attempt.number && live.has(*rank, node))
        });
        drop(state);
        self.shared.samples.take(node, told, clock::steady());
        Ok(())
    }

    /// What the processes of this node say of their progress; whatever is not on it is passed over.
    fn claims(&self, claims: v1::Claims) -> Result<(), Problem> {
        let node = self.outbox.node;
        let mut told = Vec::with_capacity(claims.processes.len().min(claims::MOST));
        for process in claims.processes.into_iter().take(claims::MOST) {
            told.push(claimed(process)?);
        }
        let state = self.shared.published.read();
        let lives = |RankId { attempt, rank }: RankId| {
            let live = state.attempts.get(&attempt.task);
            live.is_some_and(|live| live.number == attempt.number && live.has(rank, node))
        };
        told.retain(|(rank, _)| lives(*rank));
        self.shared.claims.take(node, told, lives);
        Ok(())
    }

    async fn goodbye(&self, reason: String) -> Result<(), Problem> {
        let node = self.outbox.node;
        if self.shared.links.replaced(self.outbox) {
            tracing::debug!(%node, "the goodbye of a link that another has replaced");
            return Ok(());
        }
        let reason = short(reason);
        self.shared.keeper.ask(Input::Goodbye { node, reason }).await?;
        self.shared.forget(node);
        self.outbox.dismiss("goodbye", false);
        Ok(())
    }
}

/// Whether evidence of verdicts about an attempt belongs to a finding, and that has room for it.
fn wants(findings: &Findings, attempt: AttemptId, verdicts: &[Verdict]) -> bool {
    let dismissed = findings.dismissed_rules(attempt);
    if verdicts.iter().all(|one| dismissed.contains(one.rule.as_str())) {
        return false;
    }
    match findings.undecided(attempt) {
        Some(known) => known.evidence.len() < Finding::BUNDLES,
        None => findings.condemn(attempt).is_none(),
    }
}

/// Whether a text may stand in lists of hosts: a name or an address, or nothing.
fn is_address(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:%[]".contains(letter);
    text.len() <= 253 && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use repower_core::engine::Engine;
    use repower_core::fact::{Entry, Fact};
    use repower_model::{
        Evidence, FindingId, FindingSource, FindingState, Hash, JobId, Response, TaskId, Timestamp,
    };

    use super::*;

    #[test]
    fn an_address_cannot_break_a_list_of_hosts() {
        assert!(is_address("") && is_address("10.0.0.7") && is_address("fe80::1%eth0"));
        assert!(is_address("rig-7.example"));
        assert!(!is_address("a,b") && !is_address("a slots=9") && !is_address("a\nb"));
    }

    fn verdict(rule: &str) -> Verdict {
        Verdict {
            rule: rule.to_owned(),
            version: 1,
            tier: 2,
            mechanism: "content".into(),
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            times: 1,
            detail: String::new(),
        }
    }

    fn engine(attempt: AttemptId, bundles: usize) -> Engine {
        let bundle = |at: u8| Evidence { digest: Hash([at; 32]), bytes: 1, cut: false, kept: true };
        let finding = Finding {
            rank: Some(attempt.rank(0)),
            verdicts: vec![verdict("content.pool-words")],
            response: Response::Hold,
            evidence: (0..9).take(bundles).map(bundle).collect(),
            ..Finding::new(FindingId(1), FindingSource::Task, Timestamp::default(), Hash([6; 32]))
        };
        let mut engine = Engine::new();
        apply(&mut engine, Fact::FindingOpened(Box::new(finding)));
        engine
    }

    fn apply(engine: &mut Engine, fact: Fact) {
        let seq = engine.state().seq;
        engine.apply(&Entry { seq, at: Timestamp::default(), fact });
    }

    #[test]
    fn evidence_to_which_no_finding_would_refer_is_not_kept() {
        let attempt = AttemptId { task: TaskId { job: JobId(1), index: 0 }, number: 1 };
        let (same, other) = ([verdict("content.pool-words")], [verdict("flow.pool-shape")]);
        let wanted =
            |engine: &Engine, told: &[Verdict]| wants(&engine.state().findings, attempt, told);

        assert!(wanted(&Engine::new(), &same));
        assert!(wanted(&engine(attempt, Finding::BUNDLES - 1), &same));
        assert!(!wanted(&engine(attempt, Finding::BUNDLES), &same), "it has no room for more");
        let mut dismissed = engine(attempt, 1);
        let (state, policy) = (FindingState::Dismissed, Hash([6; 32]));
        let (by, reason) = ("mia".to_owned(), "honest".to_owned());
        let fact = Fact::FindingReviewed { finding: FindingId(1), state, by, reason, policy };
        apply(&mut dismissed, fact);
        assert!(!wanted(&dismissed, &same), "a person has said that it is nothing");
        assert!(wanted(&dismissed, &other));
    }
}
