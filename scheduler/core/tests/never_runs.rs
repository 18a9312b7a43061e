//! Under any sequence of policies, approvals, reviews and restarts, what the policy does not let run
//! does not run, and each decision names the policy that it was made by. The journal alone is asked.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use std::collections::BTreeMap;
use std::rc::Rc;

use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::{Approve, Input, Submit};
use repower_core::policy::{Policy, Tier, content_of};
use repower_model::{
    Approval, ApprovalId, AttemptId, Hash, JobId, JobSpec, Key, Mark, Outcome, Sign, Span, TaskId,
    Timestamp,
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
    keys: u64,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let world = World::under(&policy(&mut dice), &[2, 1]);
        Self { world, dice, told: Vec::new(), running: Vec::new(), keys: 0 }
    }

    fn step(&mut self) {
        match self.dice.below(16) {
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
            12 => self.start(),
            13 => self.end(),
            14 => {
                let ms = self.dice.pick(&[1, 500, 5_000, 60_000]);
                self.world.wait(ms);
            }
            _ => self.restart(),
        }
        self.hear();
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

    /// A node starts what it was told to, and not told to stop.
    fn start(&mut self) {
        if let Some(attempt) = self.told.pop() {
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

    /// Nodes hear what they are owed at once.
    fn hear(&mut self) {
        for effect in std::mem::take(&mut self.world.owed) {
            match effect {
                Effect::Start { attempt, .. } => self.told.push(attempt),
                Effect::Stop { rank, .. } => {
                    let attempt = rank.attempt;
                    let waited = self.told.iter().position(|told| *told == attempt);
                    let ran = self.running.iter().position(|ran| *ran == attempt);
                    if let Some(at) = waited {
                        self.told.remove(at);
                        self.world.end(attempt, Outcome::Recalled);
                    } else if let Some(at) = ran {
                        self.running.remove(at);
                        self.world.end(attempt, Outcome::Cancelled);
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
    placed: u64,
    started: u64,
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
                assert!(
                    !matches!(tier, None | Some(Tier::Prohibited)),
                    "{attempt} runs as {tier:?}"
                );
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
    let (mut placed, mut started, mut decided) = (0, 0, 0);
    for seed in 0..CASES {
        let mut case = Case::new(seed);
        for _ in 0..STEPS {
            case.step();
        }
        let mut auditor = Auditor::default();
        case.world.journal.iter().for_each(|entry| auditor.read(entry));
        placed += auditor.placed;
        started += auditor.started;
        decided += auditor.decided;
    }

    assert!(
        placed > CASES && started > CASES / 4 && decided > CASES * 5,
        "{placed} {started} {decided}"
    );
}
