//! Batches: what is turned together, committed together, and then answered.

use std::sync::Arc;

use repower_agent_core::{Noticed, Now, Report};
use repower_core::check::Violation;
use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, OutputsKept};
use repower_core::input::{self, Input, Submit};
use repower_core::policy::hash_of;
use repower_core::refusal::Refusal;
use repower_model::{JobSpec, Key, NodeId};

use super::{CallId, Letter, Owed, Scheduler, steady};
use crate::message::{Down, Hello, LinkId, Order};

/// What has been turned and is not durable yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    dues: Vec<Due>,
}

/// What is owed once the batch is durable, in order.
#[derive(Debug)]
enum Due {
    Effect(Effect),
    /// Of a hello: only for its own link.
    EffectOn(LinkId, Effect),
    Welcome(LinkId),
    Acknowledge(LinkId, u64),
    HangUp(NodeId),
    Reply(CallId, Result<Answer, Refusal>),
}

impl Letter {
    /// The order within a batch: reports, submissions and commands, signals; ties by id.
    fn rank(&self) -> (u8, u64) {
        match self {
            Self::Reports { node, .. } => (0, u64::from(node.0)),
            Self::Submission { call, .. } | Self::Command { call, .. } => (1, call.0),
            Self::Hello { node, .. } | Self::Goodbye { node, .. } => (2, u64::from(node.0)),
        }
    }
}

impl Scheduler {
    /// Turns all that has arrived, then makes one pass.
    pub(crate) fn turn_all(&mut self, now: Now) -> Result<(), Violation> {
        let mut batch = Batch::default();
        let mut letters = std::mem::take(&mut self.inbox);
        letters.sort_by_key(|(arrived, letter)| (letter.rank(), *arrived));
        for (_, letter) in letters {
            self.turn_letter(&mut batch, letter, now)?;
        }
        if std::mem::take(&mut self.leases_due) {
            self.end_leases(&mut batch, now)?;
        }
        loop {
            let turned = self.turn(&mut batch, &Input::Schedule, now.wall)?;
            let turn = turned.map_err(|refusal| refused("a pass", &refusal))?;
            let full = turn.facts.len() >= Engine::PASS;
            batch.dues.extend(turn.effects.into_iter().map(Due::Effect));
            if !full {
                break;
            }
        }
        self.batch = Some(batch);
        Ok(())
    }

    fn turn_letter(
        &mut self,
        batch: &mut Batch,
        letter: Letter,
        now: Now,
    ) -> Result<(), Violation> {
        match letter {
            Letter::Reports { link, node, reports, through } => {
                for report in reports.into_iter().filter_map(report) {
                    let input = Input::Report { node, report };
                    let turn = self
                        .turn(batch, &input, now.wall)?
                        .map_err(|refusal| refused("a report", &refusal))?;
                    batch.dues.extend(turn.effects.into_iter().map(Due::Effect));
                }
                batch.dues.push(Due::Acknowledge(link, through));
            }
            Letter::Submission { call, key, submitter, spec } => {
                self.submit(batch, call, key, submitter, *spec, now)?;
            }
            Letter::Command { call, input } => self.command(batch, call, &input, now)?,
            Letter::Hello { link, node, hello } => self.greet(batch, link, node, *hello, now)?,
            Letter::Goodbye { link, node } => {
                if !self.links.is_of(node, link) {
                    return Ok(());
                }
                let reason = "the agent was told to end".to_owned();
                self.effects(batch, &Input::Goodbye { node, reason }, now)?;
                self.leases.forget(node);
                batch.dues.push(Due::HangUp(node));
            }
        }
        Ok(())
    }

    fn submit(
        &mut self,
        batch: &mut Batch,
        call: CallId,
        key: Key,
        submitter: String,
        spec: JobSpec,
        now: Now,
    ) -> Result<(), Violation> {
        let is_live = self.engine.state().job_by_key(&key).is_some();
        if let Some((job, tasks)) = self.archive.job(&key).filter(|_| !is_live) {
            let answer = Answer::Job { job, created: false, tasks, hold: None };
            batch.dues.push(Due::Reply(call, Ok(answer)));
            return Ok(());
        }
        let past = self.archive.past(&spec.dependencies);
        let spec_hash = hash_of(format!("{spec:?}").as_bytes());
        let (marks, looked_by) = (Vec::new(), None);
        let submit = Submit { key, submitter, spec, spec_hash, past, marks, looked_by };
        self.command(batch, call, &Input::Submit(Box::new(submit)), now)
    }

    fn command(
        &mut self,
        batch: &mut Batch,
        call: CallId,
        input: &Input,
        now: Now,
    ) -> Result<(), Violation> {
        let answer = self.turn(batch, input, now.wall)?.map(|turn| {
            batch.dues.extend(turn.effects.into_iter().map(Due::Effect));
            turn.answer
        });
        batch.dues.push(Due::Reply(call, answer));
        Ok(())
    }

    fn greet(
        &mut self,
        batch: &mut Batch,
        link: LinkId,
        node: NodeId,
        hello: Hello,
        now: Now,
    ) -> Result<(), Violation> {
        if !self.links.is_of(node, link) {
            // It is gone already; the next one says hello itself.
            return Ok(());
        }
        let input = Input::Hello {
            node,
            instance: hello.instance,
            inventory: Box::new(hello.inventory),
            held: hello.held,
            saved: Vec::new(),
        };
        let turn =
            self.turn(batch, &input, now.wall)?.map_err(|refusal| refused("a hello", &refusal))?;
        self.leases.heard(node, steady(now));
        batch.dues.push(Due::Welcome(link));
        let on_link = turn.effects.into_iter().map(|effect| Due::EffectOn(link, effect));
        batch.dues.extend(on_link);
        Ok(())
    }

    fn end_leases(&mut self, batch: &mut Batch, now: Now) -> Result<(), Violation> {
        for node in self.up() {
            self.leases.watch(node, steady(now));
        }
        for (node, silence) in self.leases.expired(steady(now), self.lease) {
            let reason = format!("not heard of for {silence}");
            self.effects(batch, &Input::Silent { node, reason }, now)?;
            batch.dues.push(Due::HangUp(node));
        }
        Ok(())
    }

    fn effects(&mut self, batch: &mut Batch, input: &Input, now: Now) -> Result<(), Violation> {
        let turn =
            self.turn(batch, input, now.wall)?.map_err(|refusal| refused("a lease", &refusal))?;
        batch.dues.extend(turn.effects.into_iter().map(Due::Effect));
        Ok(())
    }

    /// The facts that are not durable yet.
    pub(crate) fn drafted(&self) -> &[Entry] {
        self.batch.as_ref().map_or(&[], |batch| &batch.entries)
    }

    /// Whether what was turned has to be made durable, or told to somebody.
    pub(crate) fn owes(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| !batch.entries.is_empty() || !batch.dues.is_empty())
    }

    /// Makes the batch durable, and says what is owed now.
    pub(crate) fn commit(&mut self, now: Now) -> Result<Vec<Owed>, Violation> {
        let Some(batch) = self.batch.take() else {
            return Ok(Vec::new());
        };
        self.ledger.append(&batch.entries, now.wall)?;
        let mut owed = Vec::new();
        for due in batch.dues {
            self.pay(due, &mut owed);
        }
        self.send(&mut owed);
        Ok(owed)
    }

    fn pay(&mut self, due: Due, owed: &mut Vec<Owed>) {
        match due {
            Due::Effect(effect) => self.effect(&effect),
            Due::EffectOn(link, effect) => {
                if self.links.has(link) {
                    self.effect(&effect);
                }
            }
            Due::Welcome(link) => {
                if self.links.has(link) {
                    self.links.welcomed(link);
                    let lease = self.lease;
                    owed.push(Owed::Send(link, Down::Welcome { lease }));
                }
            }
            Due::Acknowledge(link, through) => {
                if self.links.has(link) {
                    self.send(owed);
                    owed.push(Owed::Send(link, Down::Acknowledged(through)));
                }
            }
            Due::HangUp(node) => {
                self.send(owed);
                owed.extend(self.links.take(node).map(Owed::HangUp));
            }
            Due::Reply(call, answer) => owed.push(Owed::Reply(call, answer)),
        }
    }

    fn effect(&mut self, effect: &Effect) {
        match *effect {
            Effect::Start { node, attempt } => {
                let Some(job) = self.engine.state().job(attempt.task.job) else {
                    // It has ended in the same batch.
                    return;
                };
                let (spec, tasks) = (Box::new((*job.spec).clone()), job.count());
                let (job, is_gang) = (job.id, job.spec.gang.is_some());
                let rendezvous = self.engine.state().rendezvous(attempt, node).map(Arc::new);
                if is_gang && rendezvous.is_none() {
                    // It has ended since.
                    return;
                }
                if self.links.must_define(node, job) {
                    self.links.order(node, Order::Define { job, spec, tasks });
                }
                let checkpoint = self.engine.state().checkpoint(attempt.task);
                let alternative = self.engine.state().alternative(attempt);
                self.links.order(node, Order::Start(attempt, alternative, rendezvous, checkpoint));
            }
            Effect::DropCheckpoint { node, task } => {
                self.links.order(node, Order::DropCheckpoint(task));
            }
            Effect::DropStored { .. } => {}
            Effect::Stop { node, rank, why } => {
                self.links.order(node, Order::Stop(rank, why));
            }
            Effect::Freeze { node, rank } => self.links.order(node, Order::Freeze(rank)),
            Effect::Thaw { node, rank, ref rules } => {
                self.links.order(node, Order::Thaw(rank, rules.clone()));
            }
            // The programs of this world have no digests.
            Effect::Forbid => {}
            Effect::Forget { job } => self.links.forget(job),
        }
    }

    fn send(&mut self, owed: &mut Vec<Owed>) {
        let messages = self.links.flush().into_iter();
        owed.extend(messages.map(|(link, orders)| Owed::Send(link, Down::Orders(orders))));
    }
}

fn report(report: Report) -> Option<input::Report> {
    match report {
        Report::Output { .. } => None,
        Report::Started { attempt: rank, started } => {
            Some(input::Report::Started { rank, started })
        }
        Report::Noticed(noticed) => {
            let Noticed { attempt: rank, verdicts, images, .. } = *noticed;
            let noticed = input::Noticed { rank, verdicts, images, evidence: None };
            Some(input::Report::Noticed(Box::new(noticed)))
        }
        Report::Kept { attempt: rank, artefacts, missing } => {
            Some(input::Report::Kept(Box::new(OutputsKept { rank, artefacts, missing })))
        }
        Report::Claimed { attempt: rank, progress } => {
            Some(input::Report::Claimed { rank, progress })
        }
        Report::Saved { attempt: rank, kept } => Some(input::Report::Saved { rank, kept }),
        Report::Stopping { attempt: rank, step, cause, signal, taken } => {
            Some(input::Report::Stopping { rank, step, cause, signal, taken })
        }
        Report::Ended { attempt: rank, outcome, usage, started, ended } => {
            Some(input::Report::Ended { rank, outcome, usage, started, ended })
        }
    }
}

fn refused(what: &str, refusal: &Refusal) -> Violation {
    Violation {
        rule: "what nobody asked for is never refused",
        detail: format!("{what}: {refusal}"),
    }
}
