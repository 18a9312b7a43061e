//! The loop that owns the engine: it turns what has come, makes the facts durable, and only then
//! lets anybody know.
//!
//! A batch grows by itself: while one is being committed, the next one gathers. What follows a
//! commit (the published copy, answers, orders) is the business of [`follower`](crate::follower),
//! on another thread, while the next batch is turned.

mod batch;
mod mail;
mod past;
mod rows;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use repower_core::engine::Engine;
use repower_model::Timestamp;
use repower_store::journal::{AppendError, Journal as _};
use repower_store::sqlite::{Journal, Reader};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

pub(crate) use mail::{Hello, Keeper, Mail, Reports};

use crate::clock::{self, Stopwatch};
use crate::follower::{Deed, Follower};
use crate::metrics::Metrics;
use crate::problem::Problem;
use batch::Batch;
use rows::Projector;

/// How many letters may wait for the loop.
pub(crate) const WAITING: usize = 4096;
/// A batch is closed when it has so many reports and commands.
const BATCH: usize = 8192;
/// After a commit that failed, nothing is tried for this long.
const PAUSE: Duration = Duration::from_millis(200);
/// While commits fail and nothing comes in, this is how often one is tried.
const PROBE: Duration = Duration::from_secs(1);

/// The loop's own things.
#[derive(Debug)]
pub(crate) struct Loop {
    engine: Engine,
    journal: Journal,
    history: Reader,
    projector: Projector,
    letters: mpsc::Receiver<Mail>,
    pending: VecDeque<Mail>,
    follower: Follower,
    metrics: Arc<Metrics>,
    healthy: watch::Sender<bool>,
    failed: Option<(Stopwatch, Problem)>,
    /// Whether the last pass left something for the next.
    more: bool,
}

/// What the loop is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) journal: Journal,
    pub(crate) letters: mpsc::Receiver<Mail>,
    pub(crate) follower: Follower,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) healthy: watch::Sender<bool>,
}

impl Loop {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            projector: Projector::of(parts.engine.state()),
            history: parts.journal.reader(),
            engine: parts.engine,
            journal: parts.journal,
            letters: parts.letters,
            pending: VecDeque::new(),
            follower: parts.follower,
            metrics: parts.metrics,
            healthy: parts.healthy,
            failed: None,
            more: false,
        }
    }

    /// Runs until it is told to end, or the follower is gone.
    pub(crate) fn run(mut self, runtime: &Handle) {
        let end = loop {
            if !self.wait(runtime) {
                break None;
            }
            let (letters, end) = self.gather();
            if !self.batch(letters) {
                break None;
            }
            if end.is_some() {
                break end;
            }
        };
        self.follower.end();
        drop(self.journal);
        if let Some(done) = end
            && done.send(()).is_err()
        {
            tracing::debug!("nobody waits for the end of the loop");
        }
    }

    /// Waits for a letter, or for the next pass; false if nobody can write any more.
    fn wait(&mut self, runtime: &Handle) -> bool {
        if !self.pending.is_empty() || self.more {
            while self.pending.len() < WAITING {
                let Ok(letter) = self.letters.try_recv() else { break };
                self.pending.push_back(letter);
            }
            return true;
        }
        let now = clock::now();
        let wake = match self.failed {
            Some(_) => Some(PROBE),
            None => self.engine.next_wake(now).map(|at| until(at, now)),
        };
        let mut came = Vec::new();
        let letters = &mut self.letters;
        let received = runtime.block_on(async {
            let receive = letters.recv_many(&mut came, WAITING);
            match wake {
                Some(wake) => tokio::time::timeout(wake, receive).await.unwrap_or(1),
                None => receive.await,
            }
        });
        self.pending.extend(came);
        received > 0
    }

    /// The letters of the next batch, in the order in which they are turned: reports, submissions
    /// and commands, signals; and whoever waits for the end.
    fn gather(&mut self) -> (Vec<Mail>, Option<tokio::sync::oneshot::Sender<()>>) {
        let (mut batch, mut weight, mut end) = (Vec::new(), 0, None);
        while weight < BATCH {
            match self.pending.pop_front() {
                None => break,
                Some(Mail::End(done)) => {
                    end = Some(done);
                    break;
                }
                Some(letter) => {
                    weight += letter.weight();
                    batch.push(letter);
                }
            }
        }
        batch.sort_by_key(Mail::order);
        (batch, end)
    }

    /// Turns, commits and hands on one batch; false if the follower is gone.
    fn batch(&mut self, mut letters: Vec<Mail>) -> bool {
        if self.failed.is_some() {
            let (plain, rest) = letters.into_iter().partition(|mail| self.is_plain(mail));
            letters = rest;
            if !self.welcome(plain) {
                return false;
            }
        }
        if let Some((since, problem)) = &self.failed
            && since.elapsed() < PAUSE
        {
            let problem = problem.clone();
            return self.follower.fail(
                letters.into_iter().filter_map(Mail::into_deed).collect(),
                problem,
                false,
            );
        }
        let now = clock::now();
        let stopwatch = Stopwatch::start();
        let mut batch = Batch::default();
        for letter in letters {
            self.turn(letter, now, &mut batch);
        }
        // Nothing is placed that could not be told; once commits succeed again, all is looked at.
        self.more = self.failed.is_some() || batch.schedule(&mut self.engine, now);
        let rows = self.projector.rows(&batch.entries, self.engine.state());
        self.metrics.turned(stopwatch.elapsed());
        match self.commit(&batch, &rows) {
            Ok(()) => self.follower.commit(batch.entries, batch.deeds),
            Err(error) => self.undo(batch.deeds, &error),
        }
    }

    /// Whether a letter can be answered without a commit.
    fn is_plain(&self, letter: &Mail) -> bool {
        matches!(letter, Mail::Hello(hello) if hello.is_plain(self.engine.state()))
    }

    /// Answers hellos that make no facts, so that no agent takes a disk that fails for a scheduler
    /// that is gone, and ends its tasks; false if the follower is gone.
    fn welcome(&mut self, plain: Vec<Mail>) -> bool {
        let (now, mut batch) = (clock::now(), Batch::default());
        for letter in plain {
            self.turn(letter, now, &mut batch);
        }
        assert!(batch.entries.is_empty(), "a plain hello makes no facts");
        self.follower.commit(batch.entries, batch.deeds)
    }

    fn turn(&mut self, letter: Mail, now: Timestamp, batch: &mut Batch) {
        match letter {
            Mail::Reports(reports) => batch.reports(&mut self.engine, reports, now),
            Mail::Ask(mut input, reply) => {
                let known = past::prepare(&mut input, self.engine.state(), &self.history, batch);
                let answer = match known {
                    Some(answer) => answer,
                    None => batch.input(&mut self.engine, &input, now),
                };
                batch.deeds.push(Deed::Answer(reply, answer));
            }
            Mail::Hello(hello) => batch.hello(&mut self.engine, *hello, now),
            Mail::Signal(input) => {
                if let Err(problem) = batch.input(&mut self.engine, &input, now) {
                    tracing::warn!(problem = problem.text, "a signal came to nothing");
                }
            }
            Mail::End(_) => {}
        }
    }

    fn commit(
        &mut self,
        batch: &Batch,
        rows: &[repower_store::rows::Row],
    ) -> Result<(), AppendError> {
        let probe = self.failed.is_some() && batch.bodies.is_empty();
        let probe = if probe { Projector::probe(self.engine.state()) } else { Vec::new() };
        let rows = if probe.is_empty() { rows } else { &probe };
        if batch.bodies.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let stopwatch = Stopwatch::start();
        self.journal.append(&batch.bodies, rows, self.engine.state().now)?;
        self.metrics.committed(batch.bodies.len(), stopwatch.elapsed());
        if self.failed.take().is_some() {
            tracing::info!("the ledger can be written again");
            self.healthy.send_replace(true);
        }
        Ok(())
    }

    /// Nothing of the batch has happened: the engine goes back to what is durable, everybody is
    /// told, and the links are closed, so that agents come back and say what they know. While
    /// commits go on to fail, only the links are closed that brought something.
    fn undo(&mut self, deeds: Vec<Deed>, error: &AppendError) -> bool {
        let problem = Problem::from(error);
        let first = self.failed.is_none();
        if first {
            let because = problem.because.as_deref().unwrap_or_default();
            tracing::error!(because, "the ledger cannot be written");
        }
        self.failed = Some((Stopwatch::start(), problem.clone()));
        self.healthy.send_replace(false);
        self.more = false;
        let Some(durable) = self.follower.durable(deeds, problem, first) else { return false };
        self.engine = durable;
        self.projector = Projector::of(self.engine.state());
        true
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(at.since(now).as_millis())
}
