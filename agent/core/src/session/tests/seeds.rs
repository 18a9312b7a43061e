//! Whatever happens in whatever order: nothing is lost, doubled or overbooked.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{
    Hash, InputFile, JobId, JobSpec, OnDisconnect, RankId, Source, Span, StopCause, StopReason,
    StopStep, Stored,
};

use super::findings::{FLAT, MODES, noticed};
use super::{World, attempt, spec, start, terms};
use crate::{Action, Input, Report, Signal, Status};

/// xorshift64*: small, and the same everywhere (Vigna, 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }
}

/// The other side of a session: processes that obey or not, and a scheduler that remembers.
struct Story {
    world: World,
    dice: Dice,
    launching: BTreeSet<RankId>,
    running: BTreeSet<RankId>,
    draining: BTreeSet<RankId>,
    ordered: BTreeSet<RankId>,
    stale: BTreeSet<RankId>,
    ended: BTreeSet<RankId>,
    printed: BTreeMap<RankId, u64>,
    /// What the job is, now and on later links.
    spec: JobSpec,
    /// Whether the inputs are asked for.
    staging: bool,
    collecting: BTreeSet<RankId>,
    kept: BTreeSet<RankId>,
    /// Attempts whose folders for saved work are being made ready, or brought to the store.
    restoring: BTreeSet<RankId>,
    saving: BTreeSet<RankId>,
    saved: BTreeSet<RankId>,
    /// Attempts that have such a folder.
    holding: BTreeSet<RankId>,
    /// Processes that have ended, and whose folders were given up.
    over: BTreeSet<RankId>,
    discarded: BTreeSet<RankId>,
    /// How far the stop of an attempt is, as reported.
    steps: BTreeMap<RankId, (StopStep, StopCause)>,
    /// The same, as the daemon was asked for it.
    signals: BTreeMap<RankId, StopStep>,
    frozen: BTreeSet<RankId>,
    received: u64,
    linked: bool,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut spec = JobSpec {
            time_limit: Some(Span::from_secs(20)),
            checkpoint_signal: seed.is_multiple_of(2).then_some(10),
            checkpoint_grace: seed.is_multiple_of(4).then_some(Span::from_secs(3)),
            checkpoint_exit: seed.is_multiple_of(5).then_some(85),
            on_disconnect: OnDisconnect::ALL[usize::from(seed.is_multiple_of(3))],
            checkpoint: seed % 3 == 1,
            ..spec()
        };
        if seed % 2 == 1 {
            let source = Source::Stored { digest: Hash([7; 32]), bytes: 7 };
            let path = "data".into();
            spec.inputs.push(InputFile { source, path, unpack: false, executable: false });
            spec.outputs.push("out".into());
        }
        Self {
            world: World::with(spec.clone()),
            spec,
            staging: false,
            collecting: BTreeSet::new(),
            kept: BTreeSet::new(),
            restoring: BTreeSet::new(),
            saving: BTreeSet::new(),
            saved: BTreeSet::new(),
            holding: BTreeSet::new(),
            over: BTreeSet::new(),
            discarded: BTreeSet::new(),
            dice: Dice(seed + 1),
            launching: BTreeSet::new(),
            running: BTreeSet::new(),
            draining: BTreeSet::new(),
            ordered: BTreeSet::new(),
            stale: BTreeSet::new(),
            ended: BTreeSet::new(),
            printed: BTreeMap::new(),
            steps: BTreeMap::new(),
            signals: BTreeMap::new(),
            frozen: BTreeSet::new(),
            received: 0,
            linked: true,
        }
    }

    fn one_of(&mut self, set: &BTreeSet<RankId>) -> Option<RankId> {
        let at = self.dice.roll(set.len().max(1) as u64);
        set.iter().nth(usize::try_from(at).unwrap()).copied()
    }

    /// Something happens.
    fn go_on(&mut self) {
        match self.dice.roll(17) {
            0 | 1 if self.linked => {
                let next = attempt(u32::try_from(self.dice.roll(400)).unwrap());
                if self.ordered.insert(next) {
                    self.world.tell(start(next));
                }
            }
            2 if self.linked => {
                let reasons = [
                    StopReason::Cancelled,
                    StopReason::Recalled,
                    StopReason::Stale,
                    StopReason::Preempted,
                    StopReason::Drained,
                ];
                let reason = reasons[usize::try_from(self.dice.roll(5)).unwrap()];
                if let Some(one) = self.one_of(&self.ordered.clone()) {
                    if reason == StopReason::Stale {
                        self.stale.insert(one);
                    }
                    self.world.stop(one, reason);
                }
            }
            3 | 4 => self.answer_launch(),
            5 | 6 => {
                if let Some(one) = self.one_of(&self.running.clone()) {
                    self.world.print(one, b"words");
                }
            }
            7 => {
                if let Some(one) = self.one_of(&self.running.clone()) {
                    self.exit(one);
                }
            }
            8 => {
                if let Some(one) = self.one_of(&self.draining.clone()) {
                    self.draining.remove(&one);
                    self.world.tell(Input::Drained { attempt: one });
                }
            }
            9 => {
                let ms = self.dice.roll(3000);
                self.world.pass(ms);
                self.world.tell(Input::Timer);
            }
            10 if self.dice.roll(4) == 0 => self.flap(),
            11 => self.answer_stage(),
            12 => self.answer_collect(),
            13 => self.answer_checkpoint(),
            14 => {
                if let Some(one) = self.one_of(&self.running.clone()) {
                    let rules: &[_] = if self.dice.roll(2) == 0 { &[MODES] } else { &[FLAT] };
                    self.world.tell(noticed(one, rules));
                }
            }
            15 => {
                if let Some(one) = self.one_of(&self.ordered.clone()) {
                    let order = [Input::Freeze(one), Input::Thaw(one, vec![MODES.0.into()])];
                    let at = usize::try_from(self.dice.roll(2)).unwrap();
                    self.world.tell(order.into_iter().nth(at).unwrap());
                }
            }
            _ if self.linked && self.dice.roll(10) == 0 => {
                // The link breaks under a message.
                drop(self.world.sent());
                self.flap();
            }
            _ => self.receive(),
        }
        self.obey();
    }

    fn answer_launch(&mut self) {
        if let Some(one) = self.one_of(&self.launching.clone()) {
            self.launching.remove(&one);
            if self.dice.roll(5) == 0 {
                self.world.tell(Input::NotStarted { attempt: one, detail: "no".into() });
            } else {
                self.running.insert(one);
                self.world.tell(Input::Started { attempt: one });
            }
        }
    }

    fn answer_stage(&mut self) {
        if std::mem::take(&mut self.staging) {
            let job = JobId(1);
            self.world.tell(if self.dice.roll(3) == 0 {
                Input::NotStaged { job, detail: "no".into() }
            } else {
                Input::Staged(job)
            });
        }
    }

    fn answer_collect(&mut self) {
        if let Some(attempt) = self.one_of(&self.collecting.clone()) {
            self.collecting.remove(&attempt);
            let (artefacts, missing) = (Vec::new(), vec!["out".into()]);
            self.world.tell(Input::Collected { attempt, artefacts, missing });
        }
    }

    fn answer_checkpoint(&mut self) {
        if let Some(attempt) = self.one_of(&self.restoring.clone()) {
            self.restoring.remove(&attempt);
            self.world.tell(if self.dice.roll(4) == 0 {
                Input::NotStarted { attempt, detail: "no".into() }
            } else {
                Input::Restored(attempt)
            });
        }
        if let Some(attempt) = self.one_of(&self.saving.clone()) {
            self.saving.remove(&attempt);
            let kept = Ok(Stored { digest: Hash([3; 32]), bytes: 3 });
            let failed = Err("the disk is full".into());
            let kept = if self.dice.roll(3) == 0 { failed } else { kept };
            self.world.tell(Input::Saved { attempt, kept });
        }
    }

    fn exit(&mut self, one: RankId) {
        self.running.remove(&one);
        self.frozen.remove(&one);
        self.over.insert(one);
        let drained = self.dice.roll(2) == 0;
        if !drained {
            self.draining.insert(one);
        }
        let codes = [0, 1, 85];
        let code = codes[usize::try_from(self.dice.roll(3)).unwrap()];
        self.world.exit(one, Status::Code(code), drained);
    }

    fn flap(&mut self) {
        self.linked = !self.linked;
        if self.linked {
            self.world.tell(Input::LinkUp(terms()));
            self.world.define(1, self.spec.clone());
        } else {
            self.world.tell(Input::LinkDown { contact: self.world.now.steady });
        }
    }

    /// The scheduler takes in a message, and sometimes says so.
    fn receive(&mut self) {
        let Some((first, reports)) = self.world.sent() else { return };
        assert!(first <= self.received + 1, "a gap before {first}");
        for (sequence, report) in (first..).zip(reports) {
            if sequence > self.received {
                self.received = sequence;
                self.note(report);
            }
        }
        if self.dice.roll(2) == 0 {
            self.world.tell(Input::Acknowledged(self.received));
        }
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Noticed(noticed) => assert!(!self.ended.contains(&noticed.attempt)),
            Report::Started { attempt, .. } => assert!(!self.ended.contains(&attempt)),
            Report::Claimed { attempt, .. } => assert!(!self.ended.contains(&attempt)),
            Report::Kept { attempt, .. } => {
                assert!(!self.ended.contains(&attempt));
                assert!(self.kept.insert(attempt), "kept twice");
            }
            Report::Saved { attempt, .. } => {
                assert!(!self.ended.contains(&attempt));
                assert!(self.saved.insert(attempt), "saved twice");
            }
            Report::Stopping { attempt, step, cause, signal, .. } => {
                assert!(!self.ended.contains(&attempt), "{attempt}: {step:?} after the end");
                let before = self.steps.insert(attempt, (step, cause));
                assert!(before.is_none_or(|before| before.0 < step), "{attempt}: {step:?} again");
                assert!(before.is_none_or(|before| before.1 == cause), "{attempt}: two causes");
                let signals = [(StopStep::Checkpoint, 10), (StopStep::Terminate, 15)];
                assert!(step == StopStep::Kill || signals.contains(&(step, signal)));
                let wanted = !matches!(cause, StopCause::Cancelled);
                assert!(step != StopStep::Checkpoint || wanted, "{attempt}: saves for nobody");
            }
            Report::Output { attempt, offset, missing, data, .. } => {
                assert!(!self.ended.contains(&attempt), "output after the end");
                let printed = self.printed.entry(attempt).or_default();
                assert_eq!(*printed + missing, offset);
                *printed = offset + data.len() as u64;
            }
            Report::Ended { attempt, usage, .. } => {
                assert!(self.ended.insert(attempt), "{attempt} has ended twice");
                let printed = self.printed.get(&attempt).copied().unwrap_or(0);
                assert_eq!(usage.stdout_bytes, printed, "output is missing");
            }
        }
    }

    /// The daemon does what the session asks for.
    fn obey(&mut self) {
        for action in self.world.actions() {
            match action {
                Action::Restore { attempt, .. } => {
                    assert!(self.holding.insert(attempt), "made ready twice");
                    self.restoring.insert(attempt);
                }
                Action::Save(attempt) => {
                    assert!(self.over.contains(&attempt) && self.holding.contains(&attempt));
                    assert!(self.saving.insert(attempt), "brought to the store twice");
                }
                Action::Release(attempt) => {
                    assert!(self.holding.remove(&attempt), "released twice");
                    assert!(!self.running.contains(&attempt), "released while it runs");
                    self.restoring.remove(&attempt);
                    self.saving.remove(&attempt);
                }
                Action::DropCheckpoint(_) => {}
                Action::Launch { attempt, .. } => {
                    assert!(!self.spec.checkpoint || self.holding.contains(&attempt));
                    assert!(self.launching.insert(attempt), "launched twice");
                    assert!(self.launching.len() + self.running.len() <= 2, "overbooked");
                }
                Action::Signal { attempt, signal } => {
                    let before = self.signals.insert(attempt, signal.step());
                    assert!(before.is_none_or(|before| before < signal.step()), "signalled again");
                    let hears = !self.frozen.contains(&attempt);
                    if signal == Signal::Kill || hears && self.dice.roll(3) == 0 {
                        self.exit(attempt);
                    }
                }
                Action::Freeze(attempt) => {
                    assert!(self.running.contains(&attempt), "what is over stands still");
                    assert!(self.frozen.insert(attempt), "frozen twice");
                }
                Action::Thaw(attempt) => {
                    let was_there = self.frozen.remove(&attempt) || self.over.contains(&attempt);
                    assert!(was_there, "it did not stand still");
                }
                Action::ResumeReading => {}
                Action::CutEgress(_) | Action::MendEgress(_) => {
                    panic!("nothing is carried for a task with an open network")
                }
                Action::CloseOutput { attempt } => assert!(self.draining.remove(&attempt)),
                Action::Stage(_) => {
                    assert!(!self.staging, "asked for twice");
                    self.staging = true;
                }
                Action::Collect { attempt, .. } => {
                    assert!(self.over.contains(&attempt) && !self.discarded.contains(&attempt));
                    assert!(self.collecting.insert(attempt), "collected twice");
                }
                Action::Discard(attempt) => {
                    assert!(self.over.contains(&attempt));
                    assert!(self.discarded.insert(attempt), "discarded twice");
                    self.collecting.remove(&attempt);
                }
                Action::ForgetJob(_) => {
                    // Who brings the inputs stops.
                    self.staging = false;
                    assert!(self.launching.is_empty() && self.running.is_empty());
                }
            }
        }
    }

    /// The agent is told to end, and everything comes to rest.
    fn finish(mut self) {
        if !self.linked {
            self.flap();
        }
        self.world.tell(Input::Leave);
        self.obey();
        while !self.world.session.is_settled() {
            self.answer_stage();
            self.answer_launch();
            self.answer_collect();
            self.answer_checkpoint();
            if self.world.wake_at().is_some() {
                self.world.wake();
            }
            self.obey();
            self.receive();
            self.world.tell(Input::Acknowledged(self.received));
        }
        self.obey();
        assert_eq!(self.world.wake_at(), None);
        assert_eq!(self.world.session.held().count(), 0);
        assert!(self.holding.is_empty(), "a folder is held by nobody: {:?}", self.holding);
        if !self.spec.outputs.is_empty() {
            assert_eq!(self.discarded, self.over, "each folder is given up once");
        }
        let silent: BTreeSet<_> = self.ordered.difference(&self.ended).copied().collect();
        assert!(silent.is_subset(&self.stale), "{:?} never ended", silent.difference(&self.stale));
    }
}

#[test]
fn whatever_happens_each_attempt_ends_once_and_the_slots_are_never_overbooked() {
    for seed in 0..300 {
        let mut story = Story::new(seed);
        for _ in 0..600 {
            story.go_on();
        }
        story.finish();
    }
}
