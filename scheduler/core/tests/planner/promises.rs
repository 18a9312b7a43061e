//! What must be so before and after a pass.

use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::Input;
use repower_core::plan::{self, Discipline};
use repower_core::reason::Reason;
use repower_core::state::State;
use repower_model::{Cpus, JobId, NodeId, NodePhase, Span};

use crate::seeded::{LONGEST, QUOTA, Seeded, Weather};

impl Seeded {
    /// One pass, against what must be so before and after.
    pub(crate) fn pass(&mut self) {
        let (mut before, now) = (self.state().clone(), self.world.now);
        before.advance(now);
        let mut fresh = Engine::from_state(before.clone());
        let facts = self.world.turn(&Input::Schedule).unwrap().facts;
        let without_memory = fresh.turn(&Input::Schedule, now).unwrap().facts;
        assert_eq!(
            facts, without_memory,
            "what earlier passes remember changes what this one does"
        );
        self.keeps_its_word(&before, &facts);
        self.starts_in_time(&facts);
        self.stops_for_a_promise(&before, &facts);
        self.keeps_promises();
        let held = self.state().shares.held("c").map_or(Cpus::default(), |held| held.cpus);
        let quota = Cpus::from_whole(QUOTA);
        assert!(self.weather == Weather::Calm || held <= quota, "c holds {held} of {quota}");
        let kept: Vec<JobId> = plan::keeps(self.state()).iter().map(|kept| kept.job).collect();
        let once = kept.iter().enumerate().all(|(at, job)| !kept[..at].contains(job));
        assert!(once || self.discipline == Discipline::Conservative, "one place each: {kept:?}");
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
    pub(crate) fn says_why(&self) {
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
    pub(crate) fn replays(&self) {
        let mut replayed = Engine::new();
        self.world.journal.iter().for_each(|entry| replayed.apply(entry));
        let mut live = Engine::from_state(self.state().clone());
        let now = self.world.now + Span::from_secs(1);
        let of = |engine: &mut Engine| engine.turn(&Input::Schedule, now).unwrap().facts;
        assert_eq!(of(&mut live), of(&mut replayed), "replay changes what a pass does");
    }

    /// Nothing more comes and all nodes are there: then everything gets its turn that can.
    pub(crate) fn calms_down(&mut self) {
        let (by, reason) = ("op".to_owned(), "it is over".to_owned());
        let kept: Vec<_> = self.state().reservations.iter().map(|one| one.id).collect();
        for id in kept {
            let (by, reason) = (by.clone(), reason.clone());
            self.world.turn(&Input::Unreserve { id, by, reason }).unwrap();
        }
        for at in 1..=self.sizes.len() {
            let node = NodeId(u32::try_from(at).unwrap());
            drop(self.world.turn(&Input::Resume { node, by: by.clone() }));
            if self.state().nodes[&node].phase != NodePhase::Up {
                self.hello(node, 250);
            }
        }
        for _ in 0..20_000 {
            // A black hole in this world is but bad luck.
            let held_back = self.state().nodes.values().filter(|node| node.held_back.is_some());
            for node in held_back.map(|node| node.id).collect::<Vec<_>>() {
                self.world.turn(&Input::Resume { node, by: by.clone() }).unwrap();
            }
            let before = self.state().seq;
            self.pass();
            self.settle();
            if self.state().seq > before {
                // What has just stopped has made room.
                continue;
            }
            let wake = self.world.engine.next_wake(self.world.now);
            match [self.next_end(), wake].into_iter().flatten().min() {
                Some(at) => self.go_on_to(at.max(self.world.now + Span::from_secs(60))),
                None => break,
            }
            let state = self.state();
            if state.attempts.is_empty() && state.jobs.values().all(|job| self.never(job.id)) {
                break;
            }
        }
        for job in self.state().jobs.keys() {
            let why = plan::why(self.state(), *job, None, self.world.now).unwrap();
            let latest = self.world.journal.iter().rev().take(12).map(|entry| &entry.fact);
            let latest: Vec<&Fact> = latest.collect();
            assert!(self.never(*job), "{job} waits for ever: {why:?}, after {latest:#?}");
        }
    }

    /// Whether a job can never start, as things are.
    fn never(&self, job: JobId) -> bool {
        let why = plan::why(self.state(), job, None, self.world.now).unwrap();
        match why.reason {
            Reason::Quota { .. } => {
                self.state().jobs[&job].spec.processors(0) > Cpus::from_whole(QUOTA)
            }
            Reason::NoneMeets { .. } | Reason::NothingFits { .. } | Reason::NoNodes => true,
            Reason::Gang { wanted, most, .. } => most < wanted,
            _ => false,
        }
    }
}
