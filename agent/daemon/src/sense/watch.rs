//! One task under the sensors.

use std::collections::BTreeSet;
use std::sync::Arc;

use repower_agent_core::detect::{
    Carried, Counters, Detector, Executable, ExecutableState, Flow, Memory, Outcome, Pace,
    Registers, Response, Sample, Settings, Verdict, patterns::Hits,
};
use repower_agent_core::{Moment, Now};
use repower_model::Span;

use super::admitted::{Admitted, Files};
use super::sensors::Sensors;
use super::threads::{Found, Round, Thread};
use super::{Members, Reading, descriptors, maps, sockets, usage};

/// The most processes of which files, mappings and images are looked at in one look.
const PROCESSES: usize = 64;

/// What a look has given.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// What was seen.
    pub samples: Vec<(Now, Sample)>,
    /// What is new because of it.
    pub verdicts: Vec<Verdict>,
    /// A thread was stopped, or asked to stop.
    pub has_stopped: bool,
    /// A debugger holds a thread of the task, which was left alone.
    pub is_debugged: bool,
}

/// One task under the sensors.
#[derive(Debug)]
pub struct Watch {
    members: Members,
    admitted: Admitted,
    detector: Detector,
    pace: Pace,
    round: Round,
    windows: u64,
    suspicious: u64,
    next_slow: Moment,
    next_flow: Moment,
    processes: Vec<u32>,
    next_members: Moment,
    /// Where the next slow look goes on.
    turn: usize,
    /// Where the next look at connections goes on, in a task with many processes.
    flow_turn: usize,
    /// Processes that had connections when they were looked at last.
    talking: BTreeSet<u32>,
    /// Which processes ran what is no file when they were looked at last: who only starts another program does
    /// so for moments.
    fileless: BTreeSet<u32>,
}

impl Watch {
    /// A task that is looked at from `now` on.
    pub fn new(members: Members, admitted: Admitted, settings: Settings, now: Moment) -> Self {
        let pace = Pace::new(settings.pace, now);
        let detector = Detector::new(settings);
        Self {
            members,
            admitted,
            detector,
            pace,
            round: Round::default(),
            windows: 0,
            suspicious: 0,
            next_slow: now,
            next_flow: now,
            processes: Vec::new(),
            next_members: now,
            turn: 0,
            flow_turn: 0,
            talking: BTreeSet::new(),
            fileless: BTreeSet::new(),
        }
    }

    /// No thread of it is stopped before this: another one has just been.
    pub fn stop_not_before(&mut self, at: Moment) {
        self.pace.not_before(at);
    }

    /// Programs that must not run from now on, by their digests.
    pub fn forbid(&mut self, digests: Arc<BTreeSet<[u8; 32]>>) {
        self.detector.forbid(digests);
    }

    /// What it was given, as it was admitted.
    pub fn admit(&mut self, files: Files) {
        self.admitted.files = files;
    }

    /// What the task leaves to the next of its job.
    pub fn leave(&mut self, now: Now) -> Carried {
        self.detector.leave(now)
    }

    /// Goes on from what earlier tasks of its job have left.
    pub fn carry_on(&mut self, carried: Carried) {
        self.detector.carry_on(carried);
    }

    /// When the next look is due.
    pub fn due(&self) -> Moment {
        self.pace.due().min(self.next_slow).min(self.next_flow)
    }

    /// Its judge.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Its processes.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// What is to be done about it.
    pub fn response(&self) -> Response {
        self.detector.response()
    }

    /// Looks at whatever is due. `output` and `progress` are what the task has given so far.
    pub fn look(
        &mut self,
        sensors: &mut Sensors,
        output: u64,
        progress: Option<u64>,
        now: Now,
    ) -> Looked {
        let mut looked = Looked::default();
        // A control group names its processes in one read; a family is looked for among all of the host.
        let is_group = matches!(self.members, Members::Group(_));
        if is_group || self.next_members <= now.steady {
            self.next_members = now.steady + self.detector.settings().pace.family_every;
            self.processes = self.members.processes();
        }
        let processes = std::mem::take(&mut self.processes);
        if self.pace.due() <= now.steady {
            self.registers(sensors, &processes, now, &mut looked);
        }
        if self.next_flow <= now.steady {
            self.next_flow = now.steady + self.detector.settings().flow.look_every;
            self.flows(sensors, &processes, now, &mut looked);
        }
        if self.next_slow <= now.steady {
            self.next_slow = now.steady + self.detector.settings().pace.slow_every;
            self.slow(sensors, &processes, now, &mut looked);
            let counters: Counters = usage::usage(&processes, output, progress);
            self.take(Sample::Counters(counters), now, &mut looked);
        }
        self.processes = processes;
        looked
    }

    fn take(&mut self, sample: Sample, now: Now, looked: &mut Looked) {
        looked.verdicts.extend(self.detector.observe(&sample, now));
        looked.samples.push((now, sample));
    }

    /// Stops one running thread, if there is one.
    fn registers(
        &mut self,
        sensors: &mut Sensors,
        processes: &[u32],
        now: Now,
        looked: &mut Looked,
    ) {
        if !sensors.reads_registers() {
            return self.pace.looked(Outcome::NotStopped, now.steady);
        }
        let is_of_task = |process: u32| processes.binary_search(&process).is_ok();
        let patience = self.detector.settings().traced.late;
        let late = sensors.stopper.late(is_of_task, now.steady, patience);
        let (process, thread, reading) = if let Some(late) = late {
            late
        } else {
            let found = match self.round.look(processes, now.steady) {
                Found::Busy(thread) => thread,
                Found::Idle => return self.pace.looked(Outcome::NothingRan, now.steady),
                Found::Asleep => return self.pace.looked(Outcome::Slept, now.steady),
            };
            looked.has_stopped = true;
            let Thread { process, thread } = found;
            (process, thread, sensors.read(processes, found, now.steady))
        };
        let outcome = match reading {
            Reading::Registers { sse, x87, cost } => {
                let sample = Sample::Registers(Registers { process, thread, sse, x87 });
                self.take(sample, now, looked);
                // Rounded up: a stop is never free.
                let ms = u64::try_from(cost.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
                Outcome::Stopped { cost: Span::from_millis(ms) }
            }
            Reading::Blocked => {
                self.take(Sample::Blocked { process }, now, looked);
                Outcome::NotStopped
            }
            Reading::Traced { tracer, is_own } => {
                looked.is_debugged = true;
                // Who looks after the host may trace whatever runs on it.
                if is_own || is_of_task(tracer) {
                    self.take(Sample::Traced { process }, now, looked);
                }
                Outcome::NotStopped
            }
            // What comes late is fetched soon.
            Reading::Late => Outcome::NothingRan,
            Reading::Gone | Reading::OwnChild | Reading::Denied | Reading::Unavailable(_) => {
                Outcome::NotStopped
            }
        };
        self.adapt();
        self.pace.looked(outcome, now.steady);
    }

    /// Looks more often while something may be there, less often while nothing is.
    fn adapt(&mut self) {
        let coverage = self.detector.coverage();
        if self.detector.is_restless() || coverage.suspicious > self.suspicious {
            self.pace.hurry();
        } else if coverage.windows > self.windows {
            self.pace.calm();
        }
        self.windows = coverage.windows;
        self.suspicious = coverage.suspicious;
    }

    fn flows(&mut self, sensors: &mut Sensors, processes: &[u32], now: Now, looked: &mut Looked) {
        let mut seen = BTreeSet::new();
        // Those that talk are looked at each time, or pushes and answers could not be told apart.
        let (first, count) = (self.flow_turn, processes.len());
        let others = around(processes, first).take(PROCESSES);
        let before = std::mem::take(&mut self.talking);
        let talking = around(processes, first).filter(|one| before.contains(one)).take(PROCESSES);
        let chosen: BTreeSet<u32> = others.chain(talking).copied().collect();
        self.flow_turn = next(first, count.min(PROCESSES), count);
        self.talking =
            before.into_iter().filter(|one| processes.binary_search(one).is_ok()).collect();
        for process in &chosen {
            let open = descriptors::open(*process);
            if open.has_msr {
                self.take(Sample::Device { process: *process }, now, looked);
            }
            let found = match sockets::connections(*process, &open.sockets) {
                Ok(found) => found,
                Err(reason) => {
                    sensors.note(reason);
                    continue;
                }
            };
            if found.is_empty() {
                self.talking.remove(process);
            } else {
                self.talking.insert(*process);
            }
            for one in found {
                // Processes that share a connection have it once.
                if !seen.insert(one.cookie) {
                    continue;
                }
                let flow = Flow {
                    socket: one.cookie,
                    remote: one.remote,
                    is_allowed: self.admitted.egress.allows(one.remote.ip()),
                    sent: one.sent,
                    received: one.received,
                };
                self.take(Sample::Flow(flow), now, looked);
            }
        }
    }

    fn slow(&mut self, sensors: &mut Sensors, processes: &[u32], now: Now, looked: &mut Looked) {
        let mut budget = Sensors::budget();
        let (first, count) = (self.turn, processes.len());
        // The first that the budget did not reach is the first of the next look.
        let mut reached = 0;
        let known = Arc::clone(&self.detector.settings().known_digests);
        for process in around(processes, first).take(PROCESSES).copied() {
            reached += usize::from(budget > 0);
            let digest = if known.is_empty() { None } else { sensors.digests.of(process) };
            if let Some(digest) = digest.filter(|digest| known.contains(digest)) {
                let hits = Hits::of_digest(digest);
                self.take(Sample::Memory(Memory { process, hits }), now, looked);
            }
            if self.admitted.files.is_changed(process, &mut sensors.digests) {
                let state = ExecutableState::Changed;
                self.take(Sample::Executable(Executable { process, state }), now, looked);
            }
            if let Some(state) = sensors.state(process) {
                if !self.fileless.insert(process) {
                    self.take(Sample::Executable(Executable { process, state }), now, looked);
                }
            } else {
                self.fileless.remove(&process);
            }
            let mappings = maps::mappings(process);
            if mappings.is_empty() {
                continue;
            }
            self.take(maps::sample(process, &mappings), now, looked);
            if let Some(sample) = sensors.scanner.scan(process, &mappings, &mut budget) {
                self.take(sample, now, looked);
            }
        }
        self.fileless.retain(|process| processes.binary_search(process).is_ok());
        self.turn = next(first, reached, count);
    }
}

/// All of `processes` once, from one of them on.
fn around(processes: &[u32], first: usize) -> impl Iterator<Item = &u32> {
    let (before, after) = processes.split_at(first.min(processes.len()));
    after.iter().chain(before)
}

/// Where the next look begins, `seen` after this one did.
fn next(first: usize, seen: usize, count: usize) -> usize {
    (first + seen.max(1)).checked_rem(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_budget_did_not_reach_comes_first_at_the_next_look_however_few_there_are() {
        let processes = [11, 12, 13, 14];

        // Two decoys eat the whole budget.
        let turn = next(0, 2, processes.len());
        let order: Vec<u32> = around(&processes, turn).copied().collect();

        assert_eq!(order, [13, 14, 11, 12]);
        assert_eq!(next(3, 0, 4), 0, "one that eats all of it alone is not the first again");
        assert_eq!((next(0, 64, 0), around(&[], 7).count()), (0, 0));
    }

    #[test]
    fn processes_behind_many_others_have_their_turn() {
        let processes: Vec<u32> = (1..=200).collect();
        let (mut turn, mut seen) = (0, BTreeSet::new());

        for _ in 0..4 {
            seen.extend(around(&processes, turn).take(PROCESSES).copied());
            turn = next(turn, PROCESSES, processes.len());
        }

        assert_eq!(seen.len(), 200);
    }
}
