//! The machine room: the engine, what runs in it, and the heap of what happens next.

use repower_core::check;
use repower_core::engine::Engine;
use repower_core::input::Input;
use repower_model::{Span, Timestamp};

use super::events::Events;
use super::faults::Luck;
use super::ids::after;
use super::live::Live;
use super::setup::{Rule, Setup};
use super::{FOUNDED, Replay, ReplayError, Run, Sample};
use crate::trace::Workload;

/// So many passes and failures without a start or an end, though jobs wait, are for ever.
const PATIENCE: u64 = 1_000_000;

/// The machine room.
pub(super) struct Room<'a> {
    pub(super) workload: &'a Workload,
    pub(super) setup: &'a Setup<'a>,
    pub(super) engine: Engine,
    pub(super) now: Span,
    pub(super) events: Events,
    pub(super) live: Live,
    pub(super) luck: Vec<Luck>,
    /// The next job of the workload to arrive.
    pub(super) next: usize,
    pub(super) ended: usize,
    pub(super) idle_steps: u64,
    pub(super) went: Replay,
}

impl<'a> Room<'a> {
    /// Founds the cell, and lets the nodes in.
    pub(super) fn found(workload: &'a Workload, setup: &'a Setup<'a>) -> Result<Self, ReplayError> {
        if setup.machine.nodes.is_empty() {
            return Err(ReplayError::NoNodes);
        }
        let went = Replay { runs: vec![Run::default(); workload.jobs.len()], ..Replay::default() };
        let mut room = Self {
            workload,
            setup,
            engine: Engine::new(),
            now: Span::ZERO,
            events: Events::default(),
            live: Live::default(),
            luck: Vec::new(),
            next: 0,
            ended: 0,
            idle_steps: 0,
            went,
        };
        let (cell, version) = ("replay".to_owned(), "replay".to_owned());
        room.turn("to found the cell", &Input::Found { cell, version })?;
        room.turn(
            "the policy",
            &Input::Adopt { text: setup.policy.clone(), by: "op".into(), replaces: None },
        )?;
        for node in 0..setup.machine.nodes.len() {
            room.enrol(node)?;
        }
        Ok(room)
    }

    /// Lets everything happen.
    pub(super) fn run(&mut self, watch: &mut dyn FnMut(u64)) -> Result<(), ReplayError> {
        const EVERY: u64 = 256;
        let mut steps: u64 = 0;
        while self.ended < self.workload.jobs.len() {
            let at = self.moment().ok_or_else(|| self.stuck())?;
            self.step(at)?;
            self.idle_steps += 1;
            if self.idle_steps > PATIENCE {
                return Err(self.stuck());
            }
            steps += 1;
            if steps.is_multiple_of(EVERY) {
                watch(self.ended as u64);
            }
        }
        watch(self.ended as u64);
        Ok(())
    }

    pub(super) fn leave(self) -> Replay {
        self.went
    }

    /// When something happens next.
    fn moment(&self) -> Option<Span> {
        let arrival = self.workload.jobs.get(self.next).map(|job| job.submit);
        let wake = self.engine.next_wake(self.time());
        let soon = after(self.now, Span::from_millis(1));
        let wake = wake.map(|at| at.since(FOUNDED).max(soon));
        [arrival, wake, self.events.next()].into_iter().flatten().min()
    }

    /// All of one instant: completions, arrivals, signals, and then a pass.
    fn step(&mut self, at: Span) -> Result<(), ReplayError> {
        self.now = at;
        while let Some((job, number, by)) = self.events.completion(at) {
            self.complete(job, number, by)?;
            self.pass_if(Rule::Event)?;
        }
        while self.workload.jobs.get(self.next).is_some_and(|job| job.submit <= at) {
            self.submit()?;
            self.pass_if(Rule::Event)?;
        }
        while let Some(node) = self.events.signal(at) {
            self.fail_or_return(node)?;
            self.pass_if(Rule::Event)?;
        }
        // At a wake nothing else has happened, so this pass is due by either rule.
        self.pass()?;
        self.note();
        if self.setup.checked
            && let Some(violation) = check::violations(self.engine.state()).pop()
        {
            return Err(ReplayError::Broken { violation, after: self.now });
        }
        Ok(())
    }

    fn pass_if(&mut self, rule: Rule) -> Result<(), ReplayError> {
        if self.setup.rule == rule { self.pass() } else { Ok(()) }
    }

    fn pass(&mut self) -> Result<(), ReplayError> {
        loop {
            self.went.passes += 1;
            let before = self.engine.state().seq;
            self.turn("a pass", &Input::Schedule)?;
            // A pass that was cut short goes on at once.
            if self.engine.state().seq - before < Engine::PASS as u64 {
                return Ok(());
            }
        }
    }

    fn note(&mut self) {
        if !self.setup.sampled {
            return;
        }
        let running = self.live.running();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let sample = Sample {
            at: self.now,
            waiting: count(self.next - self.ended - running),
            running: count(running),
            cpu_milli: self.live.cpu_milli,
        };
        let same = |last: &Sample| Sample { at: sample.at, ..*last } == sample;
        if !self.went.samples.last().is_some_and(same) {
            self.went.samples.push(sample);
        }
    }

    pub(super) fn time(&self) -> Timestamp {
        FOUNDED + self.now
    }

    fn stuck(&self) -> ReplayError {
        let waiting = (self.workload.jobs.len() - self.ended) as u64;
        ReplayError::Stuck { waiting, after: self.now }
    }
}
