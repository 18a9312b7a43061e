//! The thread that looks at one task after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use repower_agent_core::{Moment, Now};
use repower_model::RankId;
use repower_proto::v1::Noticed;
use tokio::sync::mpsc::Sender;

use super::Told;
use super::jobs::Jobs;
use super::known::Running;
use super::settings::wanted;
use super::task::Task;
use crate::clock;
use crate::sense::{Look, Sensors};

/// How long the thread sleeps at the most.
const SLEEP: Duration = Duration::from_secs(5);

/// The most tasks that are looked at.
const TASKS: usize = 1000;

/// Looks at one task after another.
#[derive(Debug)]
pub(super) struct Rounds {
    sensors: Sensors,
    /// How many times as fast as in production.
    pace: u64,
    noticed: Sender<Noticed>,
    tasks: BTreeMap<RankId, Task>,
    /// What tasks that have ended leave to others.
    jobs: Jobs,
    /// Tasks that run and are not looked at, because their class is not.
    off: BTreeSet<RankId>,
    forbidden: Arc<BTreeSet<[u8; 32]>>,
    /// Nothing is looked at before: the last look has cost so much.
    rests: Moment,
    /// Whether the last turn was that of a task of which something may come.
    was_restless: bool,
    /// Whether more run than are looked at, which was said.
    said_many: bool,
}

impl Rounds {
    pub(super) fn new(sensors: Sensors, pace: u64, noticed: Sender<Noticed>) -> Self {
        Self {
            sensors,
            pace,
            noticed,
            tasks: BTreeMap::new(),
            jobs: Jobs::default(),
            off: BTreeSet::new(),
            forbidden: Arc::default(),
            rests: Moment::default(),
            was_restless: false,
            said_many: false,
        }
    }

    /// Looks until the agent ends.
    pub(super) fn run(mut self, told: &Receiver<Told>) {
        loop {
            match told.recv_timeout(self.pause(clock::now().steady)) {
                Ok(Told::Tasks(tasks)) => self.follow(tasks),
                Ok(Told::Attached) => self.tasks.values_mut().for_each(Task::tell_again),
                Ok(Told::Forbidden(digests)) => {
                    self.forbidden = digests;
                    let tasks = self.tasks.values_mut();
                    tasks.for_each(|task| task.watch.forbid(Arc::clone(&self.forbidden)));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    /// Until something is due.
    fn pause(&self, now: Moment) -> Duration {
        let due = self.tasks.values().filter(|task| !task.frozen).map(|task| task.watch.due());
        let due = due.min().map_or(SLEEP, |due| Duration::from_millis(due.since(now).as_millis()));
        due.max(Duration::from_millis(self.rests.since(now).as_millis())).min(SLEEP)
    }

    /// Looks at what runs now, and no longer at what does not.
    fn follow(&mut self, tasks: Vec<Running>) {
        let now = clock::now();
        let mut before = std::mem::take(&mut self.tasks);
        let runs: BTreeMap<RankId, u32> = tasks
            .iter()
            .filter_map(|Running { task, .. }| Some((task.attempt?.into(), task.process)))
            .collect();
        for (id, task) in &mut before {
            if runs.get(id) != Some(&task.process) {
                let rounding = task.watch.detector().settings().rounding;
                let left = task.watch.leave(now);
                self.jobs.ended(id.attempt.task.job, left, &rounding, now);
            }
        }
        let off = std::mem::take(&mut self.off);
        let is_many = tasks.len() > TASKS;
        if is_many && !self.said_many {
            tracing::warn!(tasks = tasks.len(), looked_at = TASKS, "too many tasks to look at all");
        }
        self.said_many = is_many;
        for Running { task: one, files } in tasks.into_iter().take(TASKS) {
            let Some(id) = one.attempt.map(RankId::from) else { continue };
            let known = before.remove(&id).filter(|task| task.process == one.process);
            let new = || {
                let is_off = off.contains(&id);
                let wanted = (!is_off).then(|| wanted(&one.watch, self.pace, &self.forbidden))?;
                let mut task = Task::new(&one, wanted?, now.steady);
                task.watch.carry_on(self.jobs.begins(id.attempt.task.job));
                Some(task)
            };
            let Some(mut task) = known.or_else(new) else {
                self.off.insert(id);
                continue;
            };
            task.stands(&one, files);
            self.tasks.insert(id, task);
        }
    }

    /// The task whose turn it is: of those that are due the one that has waited longest, and every other time one of
    /// which something may come, if there is one.
    fn next(&self, now: Moment) -> Option<RankId> {
        let due = || self.tasks.iter().filter(|(_, task)| !task.frozen && task.watch.due() <= now);
        let restless = due().filter(|(_, task)| task.watch.detector().is_restless());
        let restless = restless.min_by_key(|(_, task)| task.looked).filter(|_| !self.was_restless);
        restless.or_else(|| due().min_by_key(|(_, task)| task.looked)).map(|(id, _)| *id)
    }

    /// Looks at one task, and tells what is new of it.
    fn look(&mut self) {
        let (now, begun) = (clock::now(), Look::begin());
        if self.rests > now.steady {
            return;
        }
        let Some(id) = self.next(now.steady) else { return };
        let Some(task) = self.tasks.get_mut(&id) else { return };
        self.was_restless = task.watch.detector().is_restless() && !self.was_restless;
        task.looked = now.steady;
        let has_stopped = task.look(&mut self.sensors, now);
        let every = task.watch.detector().settings().pace.stop_every;
        let rest = begun.rest(self.pace);
        self.tell(id, now);
        if has_stopped {
            let next = now.steady + every;
            self.tasks.values_mut().for_each(|task| task.watch.stop_not_before(next));
        }
        self.rests = clock::now().steady + rest;
    }

    /// Tells what is new of a task. What cannot be told now is told at a later look.
    fn tell(&mut self, id: RankId, now: Now) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let Some(noticed) = task.news(id, &mut self.sensors, now)
            && self.noticed.try_send(noticed).is_err()
        {
            task.tell_again();
        }
    }
}
