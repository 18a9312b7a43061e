//! What happens in a world of itself: jobs come and are cancelled, nodes come and go.

use repower_core::fact::Fact;
use repower_core::input::{Input, Reserve, Rest};
use repower_core::plan::Discipline;
use repower_model::{
    Array, Constraints, Gang, IndexRange, IsaLevel, JobId, JobSpec, Layout, NodeId, NodePhase,
    Retries, Role, Span,
};

use crate::seeded::{LONGEST, Seeded, URGENT, Wait, Weather};
use crate::world::{cpus, job};

impl Seeded {
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
        if self.one_in(4) {
            let (nodes, ranks_per_node) = (1 + self.below(3), 1 + self.below(3));
            spec.gang = Some(Gang {
                nodes: u32::try_from(nodes).unwrap(),
                ranks_per_node: u32::try_from(ranks_per_node).unwrap(),
                layout: self.one_of(&[Layout::Spread, Layout::Pack]),
            });
            spec.resources = cpus(1 + self.below(largest.div_ceil(2)));
        }
        if calm {
            return spec;
        }
        spec.project = self.one_of(&["a", "b", "c"]).into();
        spec.priority = self.one_of(&[-5, 0, 0, URGENT, URGENT + 10]);
        if self.one_in(5) {
            spec.name = "short".into();
        }
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
        let rule = self.one_of(&["kind=a", "kind=b", "!kind=a"]);
        spec.constraints = Constraints {
            labels: if self.one_in(5) { vec![rule.parse().unwrap()] } else { Vec::new() },
            isa_level: self.one_in(8).then_some(IsaLevel::V3),
            exclusive: self.one_in(6),
        };
        spec
    }

    /// Something happens that is no end of a task.
    pub(crate) fn happen(&mut self) {
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
                let job = self.one_of(&jobs);
                let (by, reason) = ("ada".to_owned(), String::new());
                self.world
                    .turn(&Input::Cancel { job, tasks: None, by, role: Role::Submitter, reason })
                    .unwrap();
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
            14 | 15 => {
                let rest = if self.one_in(2) { Rest::Stops } else { Rest::Finishes };
                drop(self.world.turn(&Input::Drain { node, rest, by, reason }));
            }
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
}
