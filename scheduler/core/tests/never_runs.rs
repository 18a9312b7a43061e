//! Under any sequence of policies, approvals, reviews and restarts, what the policy does not let run
//! does not run, and each decision names the policy that it was made by. The journal alone is asked.
//!
//! What nodes are told is on its way for a while, and each stop by itself: so a node may start what a new policy has
//! already taken back, as long as it has not heard so.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::{Approve, Input, Submit};
use repower_core::policy::{Policy, Tier, content_of};
use repower_model::{
    Approval, ApprovalId, AttemptId, Hash, JobId, JobSpec, Key, Mark, Outcome, Sign, Span,
    StopReason, TaskId, Timestamp,
};
use world::{World, array};

const CASES: u64 = 10_000;
const STEPS: u64 = 30;
const CLASSES: [&str; 4] = ["a", "b", "c", "d"];
const TIERS: [&str; 4] = ["permitted", "review", "prohibited", "encouraged"];

/// Numbers from a seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).unwrap()]
    }
}

/// A policy with some of the classes, each in some tier; one class always runs.
fn policy(dice: &mut Dice) -> String {
    let on_hit = dice.pick(&["refuse", "review"]);
    let mut text = format!(
        "policy-version = \"{}\"\n[admission]\non-hit = \"{on_hit}\"\n[class.always]\ntier = \"permitted\"\n",
        dice.below(1000)
    );
    for class in CLASSES {
        let tier = dice.pick(&TIERS);
        if dice.below(8) > 0 {
            text = format!("{text}[class.{class}]\ntier = \"{tier}\"\nentry = \"x\"\n");
        }
    }
    text
}

struct Case {
    world: World,
    dice: Dice,
    /// What nodes have been told to start, and not to stop since.
    told: Vec<AttemptId>,
    running: Vec<AttemptId>,
    /// Stops on their way to nodes.
    stops: Vec<(AttemptId, StopReason)>,
    keys: u64,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let world = World::under(&policy(&mut dice), &[2, 1]);
        let (told, running, stops) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, dice, told, running, stops, keys: 0 }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..5 => self.submit(),
            5 => {
                let text = policy(&mut self.dice);
                self.world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
            }
            6 | 7 => self.approve(),
            8 => {
                let id = ApprovalId(1 + self.dice.below(4));
                let end = Input::Unapprove { id, by: "op".into(), reason: "over".into() };
                drop(self.world.turn(&end));
            }
            9 => self.review(),
            10 | 11 => {
                self.world.schedule();
            }
            12 | 13 => self.start(),
            16..19 => self.stop(),
            19 => self.end(),
            14 => {
                let ms = self.dice.pick(&[1, 500, 5_000, 60_000]);
                self.world.wait(ms);
            }
            _ => self.restart(),
        }
        self.post();
    }

    /// All that is on its way arrives, and nothing new begins.
    fn settle(&mut self) {
        while !self.stops.is_empty() {
            self.stop();
            self.post();
        }
    }

    fn submit(&mut self) {
        let class = self.dice.pick(&["a", "b", "c", "d", "always", "", "mining", "A"]);
        let spec = JobSpec {
            class: class.into(),
            project: self.dice.pick(&["p", "q"]).into(),
            command: vec![self.dice.pick(&["one", "two"]).into()],
            ..array(u32::try_from(1 + self.dice.below(2)).unwrap())
        };
        let sign = self.dice.pick(&[Sign::PoolClient, Sign::Word, Sign::Unread]);
        let mark = Mark { sign, place: "script".into(), detail: "x".into() };
        self.keys += 1;
        let submit = Submit {
            key: Key(u128::from(self.keys).to_be_bytes()),
            submitter: "ada".into(),
            spec,
            spec_hash: Hash([0; 32]),
            past: Vec::new(),
            marks: if self.dice.below(4) == 0 { vec![mark] } else { Vec::new() },
            looked_by: None,
        };
        let turn = self.world.turn(&Input::Submit(Box::new(submit))).unwrap();
        let refused = matches!(turn.answer, Answer::Refused(_));
        let logged = matches!(turn.facts.first(), Some(Fact::SubmissionRefused(_)));
        assert_eq!(refused, logged, "a refusal by policy is in the journal");
        if ["", "mining", "A"].contains(&class) {
            assert!(refused, "undeclared work is refused");
        }
    }

    fn approve(&mut self) {
        let content = JobSpec { command: vec!["one".into()], ..array(1) };
        let approve = Approve {
            class: self.dice.pick(&CLASSES).into(),
            project: self.dice.pick(&[None, Some("p")]).map(str::to_owned),
            content: self.dice.pick(&[None, content_of(&content)]),
            until: self.world.now + Span::from_millis(1 + self.dice.below(30_000)),
            by: "op".into(),
            reason: "looked at it".into(),
        };
        drop(self.world.turn(&Input::Approve(Box::new(approve))));
    }

    fn review(&mut self) {
        let waiting: Vec<JobId> = self.jobs(|job| job.review);
        if let Some(job) = waiting.first().copied() {
            let (approve, by) = (self.dice.below(3) > 0, "op".to_owned());
            let reason = "looked at it".to_owned();
            self.world.turn(&Input::Review { job, approve, by, reason }).unwrap();
        }
    }

    fn jobs(&self, which: impl Fn(&repower_core::state::Job) -> bool) -> Vec<JobId> {
        let jobs = self.world.engine.state().jobs.values();
        jobs.filter(|job| which(job)).map(|job| job.id).collect()
    }

    /// A node starts one of those it was told to, unless it has heard that it is to stop.
    fn start(&mut self) {
        let count = self.told.len() as u64;
        if count > 0 {
            let attempt = self.told.swap_remove(usize::try_from(self.dice.below(count)).unwrap());
            self.world.started(attempt);
            self.running.push(attempt);
        }
    }

    fn end(&mut self) {
        if let Some(attempt) = self.running.pop() {
            let code = self.dice.pick(&[0, 0, 1]);
            self.world.end(attempt, Outcome::Exited { code });
        }
    }

    /// When nothing is on its way any more, nothing lies on a node that the policy does not let start.
    fn holds_nothing_that_waits_barred(&self) {
        let state = self.world.engine.state();
        let policy = &state.policy.as_ref().unwrap().0;
        for attempt in &self.told {
            let Some(job) = state.jobs.get(&attempt.task.job) else { continue };
            let tier = policy.classes.get(&job.spec.class).map(|class| class.tier);
            assert!(!matches!(tier, None | Some(Tier::Prohibited)), "{attempt} waits as {tier:?}");
        }
    }

    /// The same facts give an engine that goes on in the same way.
    fn restart(&mut self) {
        let mut engine = Engine::new();
        self.world.journal.iter().for_each(|entry| engine.apply(entry));
        let described = |engine: &Engine| {
            let state = engine.state();
            let job = |job: &repower_core::state::Job| {
                (
                    job.id,
                    job.state(),
                    job.review,
                    job.barred,
                    job.cleared,
                    job.approval,
                    job.is_suspect,
                )
            };
            (state.seq, state.jobs.values().map(job).collect::<Vec<_>>(), state.approvals.clone())
        };
        assert_eq!(described(&engine), described(&self.world.engine));
        self.world.engine = engine;
    }

    /// A node hears one of the stops, any of them. What has not started it gives back; what runs goes on if it was
    /// only asked back, and ends if it was cancelled.
    fn stop(&mut self) {
        let count = self.stops.len() as u64;
        if count == 0 {
            return;
        }
        let (attempt, why) =
            self.stops.swap_remove(usize::try_from(self.dice.below(count)).unwrap());
        let waited = self.told.iter().position(|told| *told == attempt);
        let ran = self.running.iter().position(|ran| *ran == attempt);
        if let Some(at) = waited {
            self.told.remove(at);
            self.world.end(attempt, Outcome::Recalled);
        } else if let Some(at) = ran.filter(|_| why != StopReason::Recalled) {
            self.running.remove(at);
            self.world.end(attempt, Outcome::Cancelled);
        }
    }

    /// What nodes are owed is on its way: starts arrive in order, stops one by one and later.
    fn post(&mut self) {
        for effect in std::mem::take(&mut self.world.owed) {
            match effect {
                Effect::Start { attempt, .. } => self.told.push(attempt),
                Effect::Stop { rank, why, .. } => {
                    let stop = (rank.attempt, why);
                    if !self.stops.contains(&stop) {
                        self.stops.push(stop);
                    }
                }
                Effect::Forget { .. }
                | Effect::DropCheckpoint { .. }
                | Effect::DropStored { .. }
                | Effect::Freeze { .. }
                | Effect::Thaw { .. }
                | Effect::Forbid => {}
            }
        }
    }
}

/// What the journal says, read by somebody who knows only what facts mean.
#[derive(Default)]
struct Auditor {
    known: BTreeMap<String, Rc<Policy>>,
    policy: Option<Rc<Policy>>,
    jobs: BTreeMap<JobId, Held>,
    approvals: BTreeMap<ApprovalId, Approval>,
    /// What nodes were asked to give back or to end.
    stopping: BTreeSet<AttemptId>,
    placed: u64,
    started: u64,
    /// Starts of what the policy in force does not let run, which had crossed the word of it.
    crossed: u64,
    decided: u64,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that the journal says of a job"
)]
#[derive(Debug, Clone)]
struct Held {
    class: String,
    project: String,
    /// What it runs.
    content: Option<Hash>,
    /// Whether something was found in it at which a person has to look.
    is_suspect: bool,
    /// Whether somebody has to say that it may run.
    asks: bool,
    cleared: bool,
    approval: Option<ApprovalId>,
    started: bool,
}

impl Held {
    /// Whether an approval is for such a job, as the documents say it.
    fn is_of(&self, one: &Approval) -> bool {
        let of_project = one.project.as_ref().is_none_or(|project| *project == self.project);
        let of_content = match one.content {
            Some(content) => self.content == Some(content),
            None => !self.is_suspect,
        };
        one.class == self.class && of_project && of_content
    }
}

impl Auditor {
    fn read(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::PolicyAdopted { text, .. } => {
                let parse = || Rc::new(Policy::parse(text).unwrap());
                let policy = self.known.entry(text.clone()).or_insert_with(parse);
                self.policy = Some(Rc::clone(policy));
            }
            Fact::JobSubmitted(fact) => {
                self.decided_by(fact.policy);
                let tier = self.tier(&fact.spec.class);
                assert!(!matches!(tier, None | Some(Tier::Prohibited)), "it was let in: {fact:?}");
                let admission = &self.policy.as_ref().unwrap().admission;
                let held = Held {
                    class: fact.spec.class.clone(),
                    project: fact.spec.project.clone(),
                    content: content_of(&fact.spec),
                    is_suspect: admission.asks(&fact.marks),
                    asks: fact.review || fact.approval.is_some(),
                    cleared: false,
                    approval: fact.approval,
                    started: false,
                };
                assert!(tier != Some(Tier::Review) || held.asks, "nobody was asked: {fact:?}");
                self.jobs.insert(fact.job, held);
            }
            Fact::SubmissionRefused(fact) => self.decided_by(fact.policy),
            Fact::JobReviewed { job, approved, policy, approval, reason, by } => {
                self.decided_by(*policy);
                assert!(!reason.is_empty() && !by.is_empty());
                let held = self.jobs.get_mut(job).unwrap();
                (held.cleared, held.approval) = (*approved && approval.is_none(), *approval);
            }
            Fact::ApprovalGiven(one) => {
                self.decided_by(one.policy);
                self.approvals.insert(one.id, (**one).clone());
            }
            Fact::ApprovalEnded { id, policy, .. } => {
                self.decided_by(*policy);
                assert!(self.approvals.remove(id).is_some());
            }
            Fact::AttemptPlaced { attempt, .. } => self.starts(attempt.task, entry.at),
            Fact::AttemptStarted { attempt, .. } => {
                self.started += 1;
                let tier = self.tier(&self.jobs[&attempt.task.job].class);
                if matches!(tier, None | Some(Tier::Prohibited)) {
                    // It was placed under another policy, and taken back before this one let it start.
                    assert!(self.stopping.contains(attempt), "{attempt} runs as {tier:?}");
                    self.crossed += 1;
                }
            }
            Fact::AttemptStopping { attempt, .. } => {
                self.stopping.insert(*attempt);
            }
            _ => {}
        }
    }

    fn decided_by(&mut self, policy: Hash) {
        self.decided += 1;
        assert_eq!(policy, self.policy.as_ref().unwrap().hash, "by the policy in force");
    }

    fn tier(&self, class: &str) -> Option<Tier> {
        self.policy.as_ref().unwrap().classes.get(class).map(|class| class.tier)
    }

    /// A task goes to a node: the policy in force lets it, and whoever has to be asked was.
    fn starts(&mut self, task: TaskId, at: Timestamp) {
        self.placed += 1;
        let held = self.jobs[&task.job].clone();
        let tier = self.tier(&held.class);
        assert!(!matches!(tier, None | Some(Tier::Prohibited)), "{task} starts as {tier:?}");
        if !held.started && (held.asks || tier == Some(Tier::Review)) {
            let approval = held.approval.and_then(|id| self.approvals.get(&id));
            let covered = approval.is_some_and(|one| one.until > at && held.is_of(one));
            assert!(held.cleared || covered, "{task} starts unasked: {held:?}");
        }
        self.jobs.get_mut(&task.job).unwrap().started = true;
    }
}

#[test]
fn no_prohibited_or_undeclared_job_runs_whatever_policies_approvals_and_restarts_come() {
    let (mut placed, mut started, mut decided, mut crossed) = (0, 0, 0, 0);
    for seed in 0..CASES {
        let mut case = Case::new(seed);
        for _ in 0..STEPS {
            case.step();
        }
        case.settle();
        case.holds_nothing_that_waits_barred();
        let mut auditor = Auditor::default();
        case.world.journal.iter().for_each(|entry| auditor.read(entry));
        placed += auditor.placed;
        started += auditor.started;
        decided += auditor.decided;
        crossed += auditor.crossed;
    }

    assert!(
        placed > CASES && started > CASES / 4 && decided > CASES * 5 && crossed > CASES / 100,
        "{placed} {started} {decided} {crossed}"
    );
}
