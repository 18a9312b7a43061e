//! Random worlds against the promises of the planner. One seed is one world; `REPOWER_PLANNER_SEEDS`
//! says how many each test looks at, `REPOWER_PLANNER_FROM` from which on.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use std::collections::BTreeMap;

use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::{Input, Report, Reserve};
use repower_core::life::attempt::Phase;
use repower_core::plan::{self, Discipline};
use repower_core::policy::DEFAULT;
use repower_core::state::State;
use repower_model::{
    Array, AttemptId, Constraints, IndexRange, Instance, Inventory, IsaLevel, JobId, JobSpec,
    NodeId, NodePhase, Outcome, RankId, Retries, Span, TaskId, Timestamp, Usage,
};
use world::{World, cpus, exited, job};

/// How wild a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// One project, one priority; all that runs has a limit, keeps it and succeeds; nodes stay.
    Calm,
    /// Anything may happen.
    Wild,
}

/// A world that lives by dice.
struct Seeded {
    world: World,
    discipline: Discipline,
    weather: Weather,
    dice: u64,
    sizes: Vec<u64>,
    /// When what runs will end, and how.
    ends: BTreeMap<AttemptId, (Timestamp, Outcome)>,
    /// When the first in order was to start at the latest.
    promise: Option<(TaskId, Timestamp)>,
    waits: BTreeMap<JobId, Wait>,
}

/// What a job may wait for.
struct Wait {
    /// So many tasks went before it when it came, or came later and went before it.
    ahead: u64,
    /// From when on nothing that comes goes before it.
    settled: Timestamp,
}

/// The longest limit of a calm world.
const LONGEST: Span = Span::from_secs(3600);

impl Seeded {
    fn new(seed: u64, discipline: Discipline, weather: Weather) -> Self {
        let mut seeded = Self {
            world: World::with_nodes(&[]),
            discipline,
            weather,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            sizes: Vec::new(),
            ends: BTreeMap::new(),
            promise: None,
            waits: BTreeMap::new(),
        };
        let mut text = format!("{DEFAULT}\n[scheduling]\npolicy = \"{discipline}\"\n");
        if weather == Weather::Wild {
            text += "[project.b]\nshare = 3.0\n[project.c]\nquota-cpus = 3\n";
        }
        seeded.world.turn(&Input::Adopt { text }).unwrap();
        for at in 0..2 + seeded.below(7) {
            let size = [1, 2, 4, 8, 16][usize::try_from(seeded.below(5)).unwrap()];
            seeded.world.join(&format!("n{at}"), size);
            seeded.sizes.push(size);
            seeded.hello(NodeId(u32::try_from(at).unwrap() + 1), 2);
        }
        seeded
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn state(&self) -> &State {
        self.world.engine.state()
    }

    /// The agent of a node comes, with the labels that the node has in this world.
    fn hello(&mut self, node: NodeId, instance: u8) {
        let at = usize::try_from(node.0).unwrap() - 1;
        let (kind, level) = ([("kind", "a"), ("kind", "b")][at % 2], ["v2", "v3"][at / 2 % 2]);
        let inventory = Inventory {
            capacity: cpus(self.sizes[at]),
            isa_level: format!("x86-64-{level}"),
            labels: vec![(kind.0.to_owned(), kind.1.to_owned())],
            ..Inventory::default()
        };
        let held: Vec<RankId> = self
            .running()
            .into_iter()
            .filter(|(_, on)| *on == node)
            .map(|(attempt, _)| RankId { attempt, rank: 0 })
            .collect();
        let held = if self.one_in(2) { held } else { Vec::new() };
        let (instance, inventory) = (Instance([instance; 16]), Box::new(inventory));
        self.world.turn(&Input::Hello { node, instance, inventory, held }).unwrap();
    }

    /// Every live attempt, and its node.
    fn running(&self) -> Vec<(AttemptId, NodeId)> {
        let attempts = self.state().attempts.iter();
        let id = |task, number| AttemptId { task, number };
        attempts.map(|(task, one)| (id(*task, one.number), one.node)).collect()
    }

    fn spec(&mut self) -> JobSpec {
        let calm = self.weather == Weather::Calm;
        let largest = *self.sizes.iter().max().unwrap();
        let limit = Span::from_secs(1 + self.below(LONGEST.as_millis() / 1000));
        let count = u32::try_from(1 + self.below(4)).unwrap();
        let most = self.one_in(4).then_some(1 + count / 2);
        let range = IndexRange { first: 0, last: count - 1, step: 1 };
        let wanted = if self.one_in(3) { largest } else { 1 + self.below(largest) };
        let mut spec = JobSpec {
            name: format!("job-{}", self.below(3)),
            array: Array::new(vec![range], most.filter(|_| !calm)).unwrap(),
            resources: cpus(wanted),
            time_limit: (calm || !self.one_in(4)).then_some(limit),
            ..job()
        };
        if calm {
            return spec;
        }
        spec.project = ["a", "b", "c"][usize::try_from(self.below(3)).unwrap()].into();
        spec.priority = [0, 0, 0, 10][usize::try_from(self.below(4)).unwrap()];
        spec.retries = Retries { user: u32::try_from(self.below(2)).unwrap(), system: 3 };
        if self.one_in(4) {
            spec.expected = Some(Span::from_millis(limit.as_millis() / 2));
        }
        if self.one_in(6) {
            let later = 1 + self.below(7200);
            spec.deadline = Some(self.world.now + limit + Span::from_secs(later));
        }
        if self.one_in(6) {
            spec.start_after = Some(self.world.now + Span::from_secs(self.below(900)));
        }
        if self.one_in(5) {
            spec.alternatives = vec![cpus(1 + self.below(largest))];
        }
        let rules = ["kind=a", "kind=b", "!kind=a"];
        let rule = rules[usize::try_from(self.below(3)).unwrap()];
        spec.constraints = Constraints {
            labels: if self.one_in(5) { vec![rule.parse().unwrap()] } else { Vec::new() },
            isa_level: self.one_in(8).then_some(IsaLevel::V3),
            exclusive: self.one_in(6),
        };
        spec
    }

    /// Something happens that is no end of a task.
    fn happen(&mut self) {
        let what = if self.weather == Weather::Calm { 0 } else { self.below(20) };
        match what {
            0..=11 => {
                let spec = self.spec();
                self.submit(spec);
            }
            12 | 13 => {
                let jobs: Vec<JobId> = self.state().jobs.keys().copied().collect();
                if jobs.is_empty() {
                    return;
                }
                let job = jobs[usize::try_from(self.below(jobs.len() as u64)).unwrap()];
                let (by, reason) = ("ada".to_owned(), String::new());
                self.world.turn(&Input::Cancel { job, tasks: None, by, reason }).unwrap();
            }
            _ => self.trouble(what),
        }
    }

    /// Something happens to a node.
    fn trouble(&mut self, what: u64) {
        let node = NodeId(1 + u32::try_from(self.below(self.sizes.len() as u64)).unwrap());
        let up = self.state().nodes[&node].phase == NodePhase::Up;
        let (by, reason) = ("op".to_owned(), "why not".to_owned());
        match what {
            14 | 15 => drop(self.world.turn(&Input::Drain { node, by, reason })),
            16 | 17 => drop(self.world.turn(&Input::Resume { node, by })),
            18 if up => drop(self.world.turn(&Input::Silent { node, reason })),
            18 => {
                let instance = u8::try_from(3 + self.below(200)).unwrap();
                self.hello(node, instance);
            }
            _ => {
                let from = self.world.now + Span::from_secs(self.below(1800));
                let until = from + Span::from_secs(60 + self.below(1800));
                let project = self.one_in(2).then(|| "b".to_owned());
                let asked =
                    Reserve { nodes: vec![node], from: Some(from), until, project, by, reason };
                // It may overlap another one.
                drop(self.world.turn(&Input::Reserve(Box::new(asked))));
            }
        }
    }

    fn submit(&mut self, spec: JobSpec) {
        let tasks = spec.array.count();
        // A node that could hold it may never have been up.
        let Ok(turn) = self.world.try_submit(spec) else { return };
        let submitted = turn.facts.iter().find_map(|fact| match fact {
            Fact::JobSubmitted(new) => Some(new.job),
            _ => None,
        });
        let Some(job) = submitted else { return };
        let state = self.world.engine.state();
        let Some((_, turn)) = state.queue.place(job) else { return };
        let (_, ahead, _) = state.queue.ahead(turn);
        for (other, wait) in &mut self.waits {
            if state.queue.place(*other).is_some_and(|(_, behind)| turn < behind) {
                assert!(self.world.now <= wait.settled, "{job} overtakes {other} for ever");
                wait.ahead += tasks;
            }
        }
        let grant = f64::from_bits(turn.key & !(1 << 63));
        let keyed = self.discipline == Discipline::Repower && self.weather == Weather::Calm;
        if keyed && grant.is_finite() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
            let settled = state.founded + Span::from_millis(grant.ceil() as u64);
            self.waits.insert(job, Wait { ahead: ahead + tasks, settled });
        }
    }

    /// What the agents were told comes true, and all that has just been placed starts.
    fn settle(&mut self) {
        for (attempt, node) in self.running() {
            if self.ends.contains_key(&attempt) {
                continue;
            }
            let state = self.world.engine.state();
            let live = &state.attempts[&attempt.task];
            if live.runway || stopped(live.phase).is_some() {
                continue;
            }
            let limit = state.jobs[&attempt.task.job].spec.time_limit;
            let started = self.world.now;
            self.world
                .turn(&Input::Report {
                    node,
                    report: Report::Started { rank: RankId { attempt, rank: 0 }, started },
                })
                .unwrap();
            let most = limit.map_or(5_000_000, Span::as_millis);
            let whole = self.one_in(3) && limit.is_some();
            let long = if whole { most } else { 1000.min(most) + self.below(most) };
            let fails = self.weather == Weather::Wild && self.one_in(6);
            let outcome = if whole { Outcome::TimedOut } else { exited(i32::from(fails)) };
            let outcome = if self.weather == Weather::Calm { exited(0) } else { outcome };
            let end = started + Span::from_millis(long.min(most));
            self.ends.insert(attempt, (end, outcome));
        }
        let live: BTreeMap<AttemptId, NodeId> = self.running().into_iter().collect();
        self.ends.retain(|attempt, _| live.contains_key(attempt));
        for (attempt, node) in live {
            let now = self.world.now;
            let phase = self.state().attempts.get(&attempt.task).map(|one| one.phase);
            if let Some(outcome) = phase.and_then(stopped) {
                self.ends.remove(&attempt);
                self.report(node, attempt, outcome, now);
            }
        }
    }

    fn report(&mut self, node: NodeId, attempt: AttemptId, outcome: Outcome, ended: Timestamp) {
        let live = &self.state().attempts[&attempt.task];
        let started = live.started;
        let wall_us = ended.since(started.unwrap_or(ended)).as_millis() * 1000;
        let usage = Usage { wall_us, ..Usage::default() };
        let report =
            Report::Ended { rank: RankId { attempt, rank: 0 }, outcome, usage, started, ended };
        self.world.turn(&Input::Report { node, report }).unwrap();
    }

    /// Time goes on to the next end, or to the next happening if that is sooner.
    fn step(&mut self) {
        let next = self.world.now + Span::from_secs(self.below(600));
        let first = self.ends.iter().map(|(attempt, (at, _))| (*at, *attempt)).min();
        if let Some((at, _)) = first.filter(|(at, _)| *at <= next) {
            self.world.now = at;
            let due: Vec<_> =
                self.ends.iter().filter(|(_, (end, _))| *end <= at).map(|(id, _)| *id).collect();
            for attempt in due {
                let (_, outcome) = self.ends.remove(&attempt).unwrap();
                let node = self.state().attempts[&attempt.task].node;
                self.report(node, attempt, outcome, at);
            }
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

    /// One pass, against what must be so before and after.
    fn pass(&mut self) {
        let (before, now) = (self.state().clone(), self.world.now);
        let mut fresh = Engine::from_state(before.clone());
        let facts = self.world.turn(&Input::Schedule).unwrap().facts;
        let without_memory = fresh.turn(&Input::Schedule, now).unwrap().facts;
        assert_eq!(
            facts, without_memory,
            "what earlier passes remember changes what this one does"
        );
        self.keeps_its_word(&before, &facts);
        self.starts_in_time(&facts);
    }

    /// What was reserved for the first that could not start does not come later because of what was
    /// started behind it, in this pass or since the last one.
    fn keeps_its_word(&mut self, before: &State, facts: &[Fact]) {
        let state = self.world.engine.state();
        let first = plan::keeps(state).into_iter().next();
        let Some((first, at)) = first.and_then(|kept| Some((kept.job, kept.at?))) else {
            self.promise = None;
            return;
        };
        let place = |job| state.queue.place(job).map(|(_, turn)| turn);
        let own = place(first).unwrap();
        // Under `repower` only what was first when the pass began gets its place before all others.
        let began = plan::keeps(before).first().map(|kept| kept.job);
        let in_turn = self.discipline != Discipline::Repower || began == Some(first);
        if in_turn {
            let ahead = |fact: &Fact| match fact {
                Fact::AttemptPlaced { attempt, .. } => {
                    let turn = before.queue.place(attempt.task.job).map(|(_, turn)| turn);
                    turn.is_some_and(|turn| turn <= own)
                }
                _ => true,
            };
            let until = facts.iter().rposition(ahead).map_or(0, |at| at + 1);
            let mut alone = Engine::from_state(before.clone());
            for fact in &facts[..until] {
                let seq = alone.state().seq;
                alone.apply(&Entry { seq, at: self.world.now, fact: fact.clone() });
            }
            let alone_at = plan::earliest(alone.state(), first);
            assert!(
                alone_at.is_none_or(|alone| at <= alone),
                "{first} could have started at {alone_at:?}, and now at {at:?}: {facts:?}"
            );
        }
        let job = &state.jobs[&first];
        let task = job.task(job.next_place(self.world.now).unwrap());
        // Under `repower` a short job that comes within its grant may go before it, and starts.
        let overtaken = facts.iter().any(|fact| match fact {
            Fact::AttemptPlaced { attempt, .. } => {
                before.queue.place(attempt.task.job).is_some_and(|(_, turn)| turn < own)
            }
            _ => false,
        });
        if self.weather == Weather::Calm
            && !overtaken
            && let Some((_, promised)) = self.promise.filter(|(promised, _)| *promised == task)
        {
            assert!(at <= promised, "{task} was to start at {promised:?}, and now at {at:?}");
        }
        self.promise = Some((task, at));
    }

    /// Nothing waits for longer than those before it may take, one after another.
    fn starts_in_time(&mut self, facts: &[Fact]) {
        let now = self.world.now;
        for fact in facts {
            let Fact::AttemptPlaced { attempt, .. } = fact else { continue };
            let job = attempt.task.job;
            let last = self.state().jobs[&job].pending.is_empty();
            let Some(wait) = self.waits.get(&job).filter(|_| self.weather == Weather::Calm) else {
                continue;
            };
            let most = Span::from_millis(LONGEST.as_millis() * (wait.ahead + 1));
            assert!(now <= wait.settled + most, "{job} starts at {now:?}, after {most} and more");
            if last {
                self.waits.remove(&job);
            }
        }
    }

    /// Whatever waits after a whole pass waits for something, unless the next
    /// pass would start it or a node rests for a moment; and the queue is named only where a
    /// discipline lets nothing overtake.
    fn says_why(&self) {
        let (state, now) = (self.state(), self.world.now);
        // Under `repower` a pass looks at what was first when it began, and the next one further.
        let next = Engine::from_state(state.clone()).turn(&Input::Schedule, now).unwrap().facts;
        let rests = state.nodes.values().any(|node| node.rests_until.is_some());
        let more = rests || (self.discipline == Discipline::Repower && !next.is_empty());
        for (id, job) in state.jobs.iter().filter(|(_, job)| !job.pending.is_empty()) {
            let why = plan::why(state, *id, None, now).unwrap();
            let code = why.reason.code();
            let strict = self.discipline.lets_none_overtake();
            assert!(code != "queue.next" || more, "{id} could go: {:?} {why:?}", job.spec);
            assert!(code != "queue.behind" || (strict && why.tasks_ahead > 0), "{id}: {why:?}");
        }
    }

    /// Replaying the facts gives a state of which the next pass makes the same.
    fn replays(&self) {
        let mut replayed = Engine::new();
        self.world.journal.iter().for_each(|entry| replayed.apply(entry));
        let mut live = Engine::from_state(self.state().clone());
        let now = self.world.now + Span::from_secs(1);
        let of = |engine: &mut Engine| engine.turn(&Input::Schedule, now).unwrap().facts;
        assert_eq!(of(&mut live), of(&mut replayed), "replay changes what a pass does");
    }
}

/// How an attempt ends that the node was told to end.
fn stopped(phase: Phase) -> Option<Outcome> {
    match phase {
        Phase::Cancelling => Some(Outcome::Cancelled),
        Phase::Preempting => Some(Outcome::Preempted),
        Phase::Recalled => Some(Outcome::Recalled),
        Phase::Placed | Phase::Running | Phase::Ending => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number of seeds"))
}

/// Lives through the world of a seed, and returns its journal.
fn live(seed: u64, weather: Weather, steps: u32) -> Vec<Entry> {
    let all = Discipline::ALL;
    let discipline = if seed.is_multiple_of(2) {
        Discipline::Repower
    } else {
        all[usize::try_from(seed / 2).unwrap() % all.len()]
    };
    let mut seeded = Seeded::new(seed, discipline, weather);
    for step in 0..steps {
        seeded.step();
        if step % 48 == 47 {
            seeded.replays();
        }
    }
    seeded.world.journal
}

fn worlds(usual: u64, weather: Weather) {
    let from = env("REPOWER_PLANNER_FROM").unwrap_or(0);
    for seed in from..from + env("REPOWER_PLANNER_SEEDS").unwrap_or(usual) {
        let lived = std::panic::catch_unwind(|| live(seed, weather, 64));
        assert!(
            lived.is_ok(),
            "{weather:?} world of seed {seed}: REPOWER_PLANNER_FROM={seed} REPOWER_PLANNER_SEEDS=1"
        );
    }
}

#[test]
fn a_calm_world_keeps_every_promise() {
    worlds(100, Weather::Calm);
}

#[test]
fn a_wild_world_breaks_no_rule() {
    worlds(100, Weather::Wild);
}

#[test]
fn the_same_seed_gives_the_same_facts() {
    for seed in 0..12 {
        assert_eq!(live(seed, Weather::Wild, 48), live(seed, Weather::Wild, 48), "seed {seed}");
    }
}
