//! The scheduler as a driver of the shipping engine, by the rules of its daemon: turn a batch, make
//! its facts durable, and only then answer and send orders. A crash loses what is not durable, and
//! nobody was told of it.

mod archive;
mod batch;
mod journal;
mod links;
mod recovery;

use repower_agent_core::{Now, Report};
use repower_core::check::{Violation, violations};
use repower_core::effect::{Answer, Turn};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::Input;
use repower_core::life::lease::Leases;
use repower_core::refusal::Refusal;
use repower_model::{JobSpec, Key, NodeId, NodePhase, Span, Timestamp};

use crate::message::{Down, Hello, LinkId};
use archive::Archive;
use batch::Batch;
use journal::Ledger;
use links::Links;

pub(crate) use recovery::{differ, replay, thaw};

/// A call of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// Something that has arrived and waits for its turn.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Reports of a node.
    Reports { link: LinkId, node: NodeId, reports: Vec<Report>, through: u64 },
    /// A submission.
    Submission { call: CallId, key: Key, submitter: String, spec: Box<JobSpec> },
    /// Another command of a person.
    Command { call: CallId, input: Box<Input> },
    /// An agent has opened a link.
    Hello { link: LinkId, node: NodeId, hello: Box<Hello> },
    /// An agent ends in order.
    Goodbye { link: LinkId, node: NodeId },
}

/// What the scheduler does to its world after a commit.
#[derive(Debug)]
pub(crate) enum Owed {
    Send(LinkId, Down),
    /// A link is closed from this side.
    HangUp(LinkId),
    Reply(CallId, Result<Answer, Refusal>),
}

/// The scheduler's process and what it has on disk.
#[derive(Debug)]
pub(crate) struct Scheduler {
    engine: Engine,
    archive: Archive,
    leases: Leases,
    links: Links,
    inbox: Vec<(u64, Letter)>,
    arrived: u64,
    batch: Option<Batch>,
    /// Whether leases are to be looked at with the next batch.
    leases_due: bool,
    lease: Span,
    pub(crate) ledger: Ledger,
    /// How many inputs have been turned.
    pub(crate) turns: u64,
}

/// Leases count on the steady clock: no step of the wall clock ends one.
fn steady(now: Now) -> Timestamp {
    Timestamp::from_millis(i64::try_from(now.steady.as_millis()).unwrap_or(i64::MAX))
}

impl Scheduler {
    pub(crate) fn new(lease: Span) -> Self {
        Self {
            engine: Engine::new(),
            archive: Archive::default(),
            leases: Leases::default(),
            links: Links::default(),
            inbox: Vec::new(),
            arrived: 0,
            batch: None,
            leases_due: false,
            lease,
            ledger: Ledger::new(),
            turns: 0,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a batch is being committed.
    pub(crate) fn is_committing(&self) -> bool {
        self.batch.is_some()
    }

    /// Turns one input alone, and makes it durable: for the founding of a cell.
    pub(crate) fn found(&mut self, input: &Input, now: Timestamp) -> Result<Answer, Violation> {
        let mut batch = Batch::default();
        let turn = self.turn(&mut batch, input, now)?.expect("a cell is founded without refusals");
        self.ledger.append(&batch.entries, now)?;
        Ok(turn.answer)
    }

    /// Something arrives.
    pub(crate) fn receive(&mut self, letter: Letter) {
        self.arrived += 1;
        self.inbox.push((self.arrived, letter));
    }

    /// A node was heard of on one of its links.
    pub(crate) fn heard(&mut self, link: LinkId, node: NodeId, now: Now) {
        if self.links.is_of(node, link) {
            self.leases.heard(node, steady(now));
        }
    }

    /// An agent has opened a link. Returns the one before, which is closed.
    pub(crate) fn opened(&mut self, link: LinkId, node: NodeId) -> Option<LinkId> {
        self.links.open(node, link)
    }

    /// A link is gone.
    pub(crate) fn broken(&mut self, link: LinkId) {
        self.links.drop(link);
    }

    /// The next batch looks at the leases.
    pub(crate) fn tick(&mut self) {
        self.leases_due = true;
    }

    /// The nodes that are to be heard of.
    fn up(&self) -> Vec<NodeId> {
        let nodes = self.engine.state().nodes.values();
        nodes.filter(|node| node.phase == NodePhase::Up).map(|node| node.id).collect()
    }

    /// Turns one input; its facts join the batch.
    fn turn(
        &mut self,
        batch: &mut Batch,
        input: &Input,
        now: Timestamp,
    ) -> Result<Result<Turn, Refusal>, Violation> {
        self.turns += 1;
        let seq = self.engine.state().seq;
        let turned = self.engine.turn(input, now);
        let at = self.engine.state().now;
        let facts: &[Fact] = turned.as_ref().map_or(&[], |turn| &turn.facts);
        let after = self.engine.state().seq;
        if after != seq + facts.len() as u64 {
            let detail = format!("fact {seq} to {after} of {input:?}");
            return Err(Violation { rule: "a refusal changes nothing", detail });
        }
        for (seq, fact) in (seq..).zip(facts) {
            self.archive.note(fact);
            let fact = fact.clone();
            batch.entries.push(Entry { seq, at, fact });
        }
        match violations(self.engine.state()).into_iter().next() {
            Some(broken) => Err(Violation {
                rule: broken.rule,
                detail: format!("{}, after {input:?}", broken.detail),
            }),
            None => Ok(turned),
        }
    }

    /// When there is something to do though nothing arrives, as a wait from now.
    pub(crate) fn next_wake(&self, now: Now) -> Option<Span> {
        self.engine.next_wake(now.wall).map(|at| at.since(now.wall).max(Span::from_millis(1)))
    }

    /// Whether there is anything to turn.
    pub(crate) fn has_mail(&self) -> bool {
        !self.inbox.is_empty() || self.leases_due
    }

    /// What of a node's tasks the engine believes to be there, for people who look at a failure.
    pub(crate) fn glance(&self) -> String {
        let state = self.engine.state();
        let mut lines: Vec<String> = state
            .nodes
            .values()
            .map(|node| {
                format!(
                    "  node {} {} drained={} held={} holding={:?} runway={:?}",
                    node.id,
                    node.phase.as_str(),
                    node.drained.is_some(),
                    node.held_back.is_some(),
                    node.holding,
                    node.runway
                )
            })
            .collect();
        for job in state.jobs.keys() {
            let why = repower_core::plan::why(state, *job, None, state.now);
            lines.push(format!(
                "  job {job}: {}",
                why.map_or("?".to_owned(), |why| format!("{:?}", why.reason))
            ));
        }
        lines.join("\n")
    }
}
