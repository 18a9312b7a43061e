//! What is placed runs, and ends as it has to.

use std::collections::BTreeSet;

use repower_core::input::{Input, Report};
use repower_core::life::attempt::Phase;
use repower_model::{AttemptId, NodeId, Outcome, RankId, Span, Timestamp, Usage};

use crate::seeded::{Seeded, Weather};
use crate::world::exited;

impl Seeded {
    /// Every process of a live attempt that has not ended, and its node.
    pub(crate) fn running(&self) -> Vec<(RankId, NodeId)> {
        let attempts = self.state().attempts.iter();
        let ranks = attempts.flat_map(|(task, one)| {
            let id = AttemptId { task: *task, number: one.number };
            one.left().into_iter().map(move |(rank, node)| (id.rank(rank), node))
        });
        ranks.collect()
    }

    /// What the agents were told comes true, and all that has just been placed starts.
    pub(crate) fn settle(&mut self) {
        for (rank, node) in self.running() {
            if self.ends.contains_key(&rank) {
                continue;
            }
            let live = &self.state().attempts[&rank.attempt.task];
            if live.runway || stopped(live.phase).is_some() {
                continue;
            }
            let started = self.world.now;
            let report = Report::Started { rank, started };
            self.world.turn(&Input::Report { node, report }).unwrap();
            let end = self.end_of(rank);
            self.ends.insert(rank, end);
        }
        let live: BTreeSet<RankId> = self.running().into_iter().map(|(rank, _)| rank).collect();
        self.ends.retain(|rank, _| live.contains(rank));
        for (rank, node) in self.running() {
            let attempt = self.state().attempts.get(&rank.attempt.task);
            let attempt = attempt.filter(|live| live.number == rank.attempt.number);
            if let Some(outcome) = attempt.and_then(|live| stopped(live.phase)) {
                self.ends.remove(&rank);
                self.report(rank, node, outcome, self.world.now);
            }
        }
    }

    /// When and how a process ends that starts now.
    fn end_of(&mut self, rank: RankId) -> (Timestamp, Outcome) {
        let spec = &self.state().jobs[&rank.attempt.task.job].spec;
        let (limit, short) = (spec.time_limit, spec.name.starts_with("short"));
        let most = limit.map_or(5_000_000, Span::as_millis);
        let whole = !short && self.one_in(3) && limit.is_some();
        let long = if short {
            1 + self.below(40)
        } else if whole {
            most
        } else {
            1000.min(most) + self.below(most)
        };
        let fails = self.weather == Weather::Wild && self.one_in(6);
        let not_started = fails && self.one_in(4);
        let outcome = match self.weather {
            Weather::Calm => exited(0),
            Weather::Wild if not_started => Outcome::NotStarted { detail: "no such file".into() },
            Weather::Wild if whole => Outcome::TimedOut,
            Weather::Wild => exited(i32::from(fails)),
        };
        (self.world.now + Span::from_millis(long.min(most)), outcome)
    }

    fn report(&mut self, rank: RankId, node: NodeId, outcome: Outcome, ended: Timestamp) {
        let started = self.state().attempts[&rank.attempt.task].started;
        let wall_us = ended.since(started.unwrap_or(ended)).as_millis() * 1000;
        let usage = Usage { wall_us, ..Usage::default() };
        let report = Report::Ended { rank, outcome, usage, started, ended };
        self.world.turn(&Input::Report { node, report }).unwrap();
    }

    /// When the next process ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.values().map(|(at, _)| *at).min()
    }

    /// Time goes on to a moment, and what has to end by then does.
    pub(crate) fn go_on_to(&mut self, at: Timestamp) {
        self.world.now = at;
        let due: Vec<RankId> =
            self.ends.iter().filter(|(_, (end, _))| *end <= at).map(|(rank, _)| *rank).collect();
        for rank in due {
            // Another rank may have failed a moment before.
            let (_, outcome) = self.ends.remove(&rank).unwrap();
            let live = self.running().into_iter().find(|(live, _)| *live == rank);
            if let Some((rank, node)) = live {
                self.report(rank, node, outcome, at);
            }
        }
    }

    /// Time goes on to the next end, or to the next happening if that is sooner.
    pub(crate) fn step(&mut self) {
        let next = self.world.now + Span::from_secs(self.below(600));
        if let Some(at) = self.next_end().filter(|at| *at <= next) {
            self.go_on_to(at);
        } else {
            self.world.now = next;
            self.happen();
        }
        self.pass();
        if self.one_in(16) {
            self.says_why();
        }
        self.settle();
    }
}

/// How an attempt ends that the node was told to end.
fn stopped(phase: Phase) -> Option<Outcome> {
    match phase {
        Phase::Cancelling | Phase::Ending => Some(Outcome::Cancelled),
        Phase::Preempting => Some(Outcome::Preempted),
        Phase::Draining => Some(Outcome::Drained),
        Phase::Recalled => Some(Outcome::Recalled),
        Phase::Placed | Phase::Running => None,
    }
}
