//! The order in which tasks go, grouped by shape.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use repower_model::{Cpus, JobId, Timestamp};
use serde::{Deserialize, Serialize};

use super::roll::Roll;
use super::{Job, Shape, ShapeId};

/// Where a job stands among others; less goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    /// Jobs that would miss their deadline if they waited go before all others.
    pub guard: Reverse<bool>,
    /// Then by priority, higher first.
    pub priority: Reverse<i32>,
    /// Then by what the discipline says, constant for a job.
    pub key: u64,
    /// Then by age.
    pub job: JobId,
}

/// The ready jobs of one shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The shape.
    pub shape: Arc<Shape>,
    jobs: Roll,
    /// How many live jobs have the shape, ready or not.
    known: u64,
}

/// Jobs whose tasks wait, by shape, and jobs that wait for a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    lines: BTreeMap<ShapeId, Line>,
    ids: BTreeMap<Arc<Shape>, ShapeId>,
    /// Shapes with a ready job, by project and by the one that goes first.
    heads: BTreeMap<String, BTreeSet<(Turn, ShapeId)>>,
    /// Shapes with a ready job whose tasks are known to be short; some may have none left.
    brisk: BTreeSet<ShapeId>,
    /// Shapes with a ready job, by the fewest processors that any of it takes.
    ready: BTreeSet<(Cpus, ShapeId)>,
    /// Ready jobs of the same standing, oldest first.
    ages: BTreeSet<(Reverse<bool>, Reverse<i32>, Timestamp, JobId)>,
    /// What waits, by the estimates: see [`Shape::work`].
    work: u128,
    sleeping: BTreeSet<(Timestamp, JobId)>,
    known: BTreeMap<JobId, Known>,
    last_shape: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    shape: ShapeId,
    turn: Turn,
    key: Option<u64>,
    age: Timestamp,
    ready: bool,
    wakes: Option<Timestamp>,
}

impl Line {
    /// The ready job that goes first.
    pub fn head(&self) -> Option<Turn> {
        self.jobs.first()
    }

    /// How many tasks of a job wait.
    pub fn waiting(&self, turn: Turn) -> u64 {
        self.jobs.get(turn).unwrap_or(0)
    }

    /// Ready jobs of a priority and higher, in order, each with how many of its tasks wait.
    pub fn urgent(&self, from: i32) -> impl Iterator<Item = (Turn, u64)> {
        let turn = |guard, priority, key, job| Turn {
            guard: Reverse(guard),
            priority: Reverse(priority),
            key,
            job: JobId(job),
        };
        [true, false].into_iter().flat_map(move |guard| {
            let last = turn(guard, from, u64::MAX, u64::MAX);
            let all = self.jobs.from(turn(guard, i32::MAX, 0, 0));
            all.take_while(move |(turn, _)| *turn <= last)
        })
    }

    /// Ready jobs, in order, each with how many of its tasks wait.
    pub fn jobs(&self) -> impl Iterator<Item = (Turn, u64)> + Clone {
        self.jobs.iter()
    }
}

impl Queue {
    /// Shapes with a ready job of which something can start with `most` processors on a node.
    pub fn within(&self, most: Cpus) -> impl Iterator<Item = (ShapeId, &Line)> {
        let all = self.ready.range(..=(most, ShapeId(u64::MAX)));
        all.map(|(_, id)| (*id, &self.lines[id]))
    }

    /// Shapes with a ready job.
    pub fn lines(&self) -> impl Iterator<Item = (ShapeId, &Line)> {
        self.ready.iter().map(|(_, id)| (*id, &self.lines[id]))
    }

    /// Shapes with a ready job whose tasks are known to be short, and perhaps some more.
    pub fn brisk(&self) -> impl Iterator<Item = (ShapeId, &Line)> {
        self.brisk.iter().map(|id| (*id, &self.lines[id]))
    }

    /// Projects with a ready job.
    pub fn projects(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(String::as_str)
    }

    /// Of a project's shapes, the one whose first job goes first, of those behind `after`.
    pub fn next_head(
        &self,
        project: &str,
        after: Option<(Turn, ShapeId)>,
    ) -> Option<(Turn, ShapeId)> {
        let heads = self.heads.get(project)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        heads.range((from, Bound::Unbounded)).next().copied()
    }

    /// The ready jobs of a shape.
    pub fn line(&self, shape: ShapeId) -> Option<&Line> {
        self.lines.get(&shape)
    }

    /// Where a live job stands, and its shape, whether it is ready or not.
    pub fn place(&self, job: JobId) -> Option<(ShapeId, Turn)> {
        self.known.get(&job).map(|known| (known.shape, known.turn))
    }

    /// The first ready jobs before `turn`, at most so many, each with how many of its tasks wait.
    pub fn first_ahead(&self, turn: Turn, most: usize) -> Vec<(JobId, u64)> {
        let each = self.lines.values().flat_map(|line| line.jobs.iter().take(most));
        let mut first: Vec<_> = each.filter(|(other, _)| *other < turn).collect();
        first.sort_unstable();
        first.truncate(most);
        first.into_iter().map(|(turn, tasks)| (turn.job, tasks)).collect()
    }

    /// The job that has been ready for longest, of those that go first by priority.
    pub fn oldest(&self) -> Option<JobId> {
        self.ages.first().map(|(_, _, _, job)| *job)
    }

    /// What all ready tasks together would take, by the estimates: see [`Shape::work`].
    pub fn work(&self) -> u128 {
        self.work
    }

    /// How many ready jobs go before `turn`, how many of their tasks wait, and their work as in
    /// [`Shape::work`]. Cost: the shapes, and a block of jobs of each.
    pub fn ahead(&self, turn: Turn) -> (u64, u64, u128) {
        let mut sum = (0, 0, 0);
        for line in self.lines.values() {
            let (jobs, tasks) = line.jobs.before(turn);
            sum.0 += jobs;
            sum.1 += tasks;
            sum.2 += line.shape.work() * u128::from(tasks);
        }
        sum
    }

    /// Whether a job is ready to go.
    pub fn is_ready(&self, job: JobId) -> bool {
        self.known.get(&job).is_some_and(|known| known.ready)
    }

    /// Whether no job is ready.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// When the next sleeper wakes.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.sleeping.first().map(|(at, _)| *at)
    }

    /// Sleepers whose time has come.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<JobId> {
        self.sleeping.iter().take_while(|(at, _)| *at <= now).map(|(_, job)| *job).collect()
    }

    /// Whether a job has not been ready since it is here: then its key is still to be made.
    pub(crate) fn lacks_key(&self, job: JobId) -> bool {
        self.known.get(&job).is_none_or(|known| known.key.is_none())
    }

    /// Puts a job where it belongs now. `key` is what the discipline says of it, once it is ready.
    pub(crate) fn update(&mut self, job: &Job, now: Timestamp, key: Option<u64>) {
        let before = self.known.get(&job.id).cloned();
        let key = before.as_ref().and_then(|known| known.key).or(key);
        let shape = match &before {
            Some(known) => known.shape,
            None => self.number(Shape::of(&job.spec)),
        };
        let safe = job.spec.latest_safe_start();
        let guard = safe.is_some_and(|safe| safe <= now);
        let priority = Reverse(job.spec.priority);
        let turn = Turn { guard: Reverse(guard), priority, key: key.unwrap_or(0), job: job.id };
        let age = job.eligible.unwrap_or(now);
        let at = job.ready_at();
        let ready = at.is_some_and(|at| at <= now);
        let wakes = at.map(|at| if at <= now { safe.filter(|safe| *safe > now) } else { Some(at) });
        let wakes = wakes.flatten();
        if let Some(known) = &before {
            self.take_out(known, turn, ready);
        }
        if let Some(at) = wakes {
            self.sleeping.insert((at, job.id));
        }
        if ready {
            self.join(shape, turn, age, job.waiting());
            if job.is_brisk() {
                self.brisk.insert(shape);
            }
        }
        self.known.insert(job.id, Known { shape, turn, key, age, ready, wakes });
    }

    /// Takes a job that has ended out.
    pub(crate) fn remove(&mut self, job: JobId) {
        let Some(known) = self.known.remove(&job) else {
            return;
        };
        if known.ready {
            self.leave(&known);
        }
        if let Some(at) = known.wakes {
            self.sleeping.remove(&(at, job));
        }
        let line = self.lines.get_mut(&known.shape).expect("a live job's shape is known");
        line.known -= 1;
        if line.known == 0
            && let Some(line) = self.lines.remove(&known.shape)
        {
            self.ids.remove(&line.shape);
        }
    }

    /// Takes a job out of where it stood, as far as it stands elsewhere now.
    fn take_out(&mut self, known: &Known, turn: Turn, ready: bool) {
        if known.ready && !(ready && known.turn == turn) {
            self.leave(known);
        }
        if let Some(at) = known.wakes {
            self.sleeping.remove(&(at, known.turn.job));
        }
    }

    fn join(&mut self, shape: ShapeId, turn: Turn, age: Timestamp, tasks: u64) {
        let line = self.lines.get_mut(&shape).expect("a live job's shape is known");
        let before = line.head();
        let counted = line.jobs.insert(turn, tasks).unwrap_or(0);
        let one = line.shape.work();
        self.work = self.work + one * u128::from(tasks) - one * u128::from(counted);
        self.ages.insert((turn.guard, turn.priority, age, turn.job));
        if before.is_none() {
            self.ready.insert((line.shape.least_cpus(), shape));
        }
        self.move_head(shape, before);
    }

    fn leave(&mut self, known: &Known) {
        let line = self.lines.get_mut(&known.shape).expect("a live job's shape is known");
        let before = line.head();
        let turn = known.turn;
        let counted = line.jobs.remove(turn).unwrap_or(0);
        self.work -= line.shape.work() * u128::from(counted);
        self.ages.remove(&(turn.guard, turn.priority, known.age, turn.job));
        if line.jobs.is_empty() {
            self.ready.remove(&(line.shape.least_cpus(), known.shape));
            self.brisk.remove(&known.shape);
        }
        self.move_head(known.shape, before);
    }

    /// Lists a shape by the job that now goes first.
    fn move_head(&mut self, shape: ShapeId, before: Option<Turn>) {
        let line = &self.lines[&shape];
        let now = line.head();
        if now == before {
            return;
        }
        let project = &line.shape.project;
        if !self.heads.contains_key(project) {
            self.heads.insert(project.clone(), BTreeSet::new());
        }
        let heads = self.heads.get_mut(project).expect("it has just been put there");
        before.map(|turn| heads.remove(&(turn, shape)));
        now.map(|turn| heads.insert((turn, shape)));
        if heads.is_empty() {
            self.heads.remove(project);
        }
    }

    fn number(&mut self, shape: Shape) -> ShapeId {
        let shape = Arc::new(shape);
        let id = *self.ids.entry(shape.clone()).or_insert_with(|| {
            self.last_shape += 1;
            ShapeId(self.last_shape)
        });
        let line = || Line { shape, jobs: Roll::default(), known: 0 };
        self.lines.entry(id).or_insert_with(line).known += 1;
        id
    }
}
