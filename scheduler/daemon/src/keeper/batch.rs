//! One batch: what is turned together is committed together.

use std::collections::BTreeMap;

use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::Input;
use repower_core::refusal::Refusal;
use repower_model::{JobId, JobState, Key, Timestamp};
use repower_proto::convert;
use repower_store::journal;

use super::{Hello, Reports};
use crate::follower::Deed;
use crate::problem::Problem;

/// What one input came to, its facts being kept.
struct Turned {
    answer: Answer,
    effects: Vec<Effect>,
    facts: usize,
}

/// What is turned together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The facts, in order.
    pub(super) entries: Vec<Entry>,
    /// The same as bytes.
    pub(super) bodies: Vec<journal::Entry>,
    /// What is owed when they are durable, in order.
    pub(super) deeds: Vec<Deed>,
    /// How jobs ended that have left memory with this batch.
    pub(super) ended: BTreeMap<JobId, JobState>,
    /// Jobs that were submitted with this batch, by their keys, with their tasks.
    pub(super) submitted: BTreeMap<Key, (JobId, u64)>,
}

impl Batch {
    /// Turns one input; what it owes to nodes is kept, what it answers is returned.
    pub(super) fn input(
        &mut self,
        engine: &mut Engine,
        input: &Input,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let turned = self.turn(engine, input, now)?;
        self.owe(turned.effects);
        match turned.answer {
            Answer::Refused(refusal) => Err(refusal.into()),
            answer @ (Answer::Done
            | Answer::Job { .. }
            | Answer::Cancelled { .. }
            | Answer::Entered { .. }
            | Answer::Token(_)
            | Answer::Reservation(_)
            | Answer::Approval { .. }
            | Answer::Policy { .. }
            | Answer::Node(_)) => Ok(answer),
        }
    }

    /// Turns what an agent reports.
    pub(super) fn reports(&mut self, engine: &mut Engine, reports: Reports, now: Timestamp) {
        let node = reports.outbox.node;
        for report in reports.told {
            match self.turn(engine, &Input::Report { node, report }, now) {
                Ok(turned) => self.owe(turned.effects),
                Err(refusal) => tracing::warn!(%node, %refusal, "a report came to nothing"),
            }
        }
        self.deeds.push(Deed::Acknowledge(reports.outbox, reports.through));
    }

    /// Turns a hello. Orders that follow from it go out on the new link, after its welcome.
    pub(super) fn hello(&mut self, engine: &mut Engine, hello: Hello, now: Timestamp) {
        match self.turn(engine, &hello.input, now) {
            Ok(turned) => {
                self.deeds.push(Deed::Connect(hello.outbox, hello.welcome));
                self.owe(turned.effects);
            }
            Err(refusal) => self.deeds.push(Deed::Refuse(hello.outbox, refusal.into())),
        }
    }

    /// Looks for places for what waits; returns whether the pass was cut short.
    pub(super) fn schedule(&mut self, engine: &mut Engine, now: Timestamp) -> bool {
        match self.turn(engine, &Input::Schedule, now) {
            Ok(turned) => {
                self.owe(turned.effects);
                turned.facts >= Engine::PASS
            }
            Err(refusal) => {
                tracing::error!(%refusal, "a pass was refused");
                false
            }
        }
    }

    fn turn(
        &mut self,
        engine: &mut Engine,
        input: &Input,
        now: Timestamp,
    ) -> Result<Turned, Refusal> {
        let first = engine.state().seq;
        let turn = engine.turn(input, now)?;
        let count = turn.facts.len();
        let at = engine.state().now;
        for (seq, fact) in (first..).zip(turn.facts) {
            if let Fact::JobEnded { job, state, .. } = &fact {
                self.ended.insert(*job, *state);
            }
            if let Fact::JobSubmitted(new) = &fact {
                self.submitted.insert(new.key, (new.job, new.spec.array.count()));
            }
            let entry = Entry { seq, at, fact };
            self.bodies.push(journal::Entry { seq, body: convert::encode(&entry) });
            self.entries.push(entry);
        }
        Ok(Turned { answer: turn.answer, effects: turn.effects, facts: count })
    }

    fn owe(&mut self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        match self.deeds.last_mut() {
            Some(Deed::Send(before)) => before.extend(effects),
            _ => self.deeds.push(Deed::Send(effects)),
        }
    }
}
