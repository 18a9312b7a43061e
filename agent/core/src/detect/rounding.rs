//! Rounding modes over windows of samples of running threads.
//!
//! RandomX programs change the rounding mode of SSE arithmetic all the time (its specification,
//! section 5.4.1: one of 256 instructions sets one of four modes) and leave the x87 alone. Honest code
//! changes it between two modes at most, or through `fesetround`, which sets both units.

use std::collections::{BTreeMap, VecDeque};

use repower_model::Timestamp;

use super::{Registers, RoundingSettings, Rule};
use crate::{Moment, Now};

/// Whose samples a window holds. A miner beside another job shows in its own thread; one that keeps
/// starting new threads shows in the process, and one that keeps forking in the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Task,
    Process(u32),
    Thread(u32),
}

/// The most scopes that are followed at once; the one that was quiet longest makes room.
const SCOPES: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Window {
    begun: Now,
    samples: u32,
    sse: u8,
    x87: u8,
}

#[derive(Debug, Default)]
struct Track {
    window: Option<Window>,
    suspicious: VecDeque<(Now, Now)>,
    touched: Moment,
}

/// The most windows that are carried for one job: those of tasks that ran beside each other.
const CARRIED: usize = 64;

/// What short tasks have left to the next ones of their job: windows that are not full, and suspicious ones that are.
///
/// To the judge those that follow each other are one long task. Only the window of the task as a whole is carried,
/// because threads and processes are others then.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    windows: VecDeque<Window>,
    suspicious: VecDeque<(Now, Now)>,
}

impl Carried {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.suspicious.is_empty()
    }

    /// Adds what another task of the job has left.
    pub fn add(&mut self, other: Self, settings: &RoundingSettings) {
        self.windows.extend(other.windows);
        while self.windows.len() > CARRIED {
            self.windows.pop_front();
        }
        self.suspicious.extend(other.suspicious);
        let all = self.suspicious.make_contiguous();
        all.sort_unstable_by_key(|(begun, _)| begun.steady);
        let mut last: Option<Moment> = None;
        // Tasks beside each other may have had the same ones from those before.
        self.suspicious.retain(|(begun, _)| {
            let is_apart = last.is_none_or(|last| {
                begun.steady != last && begun.steady.since(last) >= settings.apart
            });
            last = if is_apart { Some(begun.steady) } else { last };
            is_apart
        });
        while self.suspicious.len() > settings.windows.max(1) {
            self.suspicious.pop_front();
        }
    }

    /// What a task that begins goes on from: one window, which no other has then, and all that was suspicious.
    #[must_use]
    pub fn part(&mut self) -> Self {
        let windows = self.windows.pop_front().into_iter().collect();
        Self { windows, suspicious: self.suspicious.clone() }
    }
}

/// Windows of all scopes of one task.
#[derive(Debug, Default)]
pub(super) struct Rounding {
    tracks: BTreeMap<Scope, Track>,
    /// Windows of the whole task that were filled.
    pub(super) windows: u64,
    /// How many of them had at least two modes of MXCSR.
    pub(super) restless: u64,
    /// How many of them were suspicious.
    pub(super) suspicious: u64,
}

/// What a sample has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) rule: Rule,
    pub(super) from: Timestamp,
    /// Enough windows agree.
    pub(super) is_verdict: bool,
}

impl Rounding {
    pub(super) fn observe(
        &mut self,
        sample: Registers,
        now: Now,
        settings: &RoundingSettings,
    ) -> Option<Seen> {
        let scopes = [Scope::Task, Scope::Process(sample.process), Scope::Thread(sample.thread)];
        let mut worst: Option<Seen> = None;
        for scope in scopes {
            let Some((window, seen)) = self.add(scope, sample, now, settings) else {
                continue;
            };
            if scope == Scope::Task {
                self.windows += 1;
                self.restless += u64::from(window.sse.count_ones() >= 2);
                self.suspicious += u64::from(window.is_suspicious(settings));
            }
            let Some(seen) = seen else { continue };
            let weight = |one: Seen| (one.is_verdict, one.rule == Rule::RoundingModes);
            if worst.is_none_or(|worst| weight(seen) > weight(worst)) {
                worst = Some(seen);
            }
        }
        worst
    }

    /// What is left to the next task of the job.
    pub(super) fn leave(&mut self, now: Now, settings: &RoundingSettings) -> Carried {
        let track = self.tracks.remove(&Scope::Task).unwrap_or_default();
        let window = track.window.filter(|window| !window.is_too_old(now, settings));
        Carried { windows: window.into_iter().collect(), suspicious: track.suspicious }
    }

    /// Goes on from what was left.
    pub(super) fn carry_on(&mut self, mut carried: Carried) {
        let track = self.tracks.entry(Scope::Task).or_default();
        (track.window, track.suspicious) = (carried.windows.pop_front(), carried.suspicious);
    }

    /// Whether the window that is being filled has more than one mode already.
    pub(super) fn is_restless(&self) -> bool {
        let window = self.tracks.get(&Scope::Task).and_then(|track| track.window);
        window.is_some_and(|window| window.sse.count_ones() >= 2)
    }

    /// Adds a sample to the window of a scope; the window, if that filled it, and what follows.
    fn add(
        &mut self,
        scope: Scope,
        sample: Registers,
        now: Now,
        settings: &RoundingSettings,
    ) -> Option<(Window, Option<Seen>)> {
        self.make_room(scope);
        let track = self.tracks.entry(scope).or_default();
        track.touched = now.steady;
        let fresh = Window { begun: now, samples: 0, sse: 0, x87: 0 };
        let is_good = |window: &Window| !window.is_too_old(now, settings);
        let mut window = track.window.take().filter(is_good).unwrap_or(fresh);
        window.samples += 1;
        window.sse |= sample.sse.mask();
        window.x87 |= sample.x87.mask();
        if window.samples < settings.samples {
            track.window = Some(window);
            return None;
        }
        let seen = track.close(window, now, settings);
        Some((window, seen))
    }

    fn make_room(&mut self, scope: Scope) {
        if self.tracks.len() < SCOPES || self.tracks.contains_key(&scope) {
            return;
        }
        let quiet = self.tracks.iter().filter(|(scope, _)| **scope != Scope::Task);
        let oldest = quiet.min_by_key(|(_, track)| track.touched).map(|(scope, _)| *scope);
        if let Some(oldest) = oldest {
            self.tracks.remove(&oldest);
        }
    }
}

impl Window {
    fn is_too_old(&self, now: Now, settings: &RoundingSettings) -> bool {
        now.steady.since(self.begun.steady) > settings.memory
    }

    fn is_suspicious(self, settings: &RoundingSettings) -> bool {
        self.sse.count_ones() >= settings.modes && self.x87.is_power_of_two()
    }
}

impl Track {
    fn close(&mut self, window: Window, now: Now, settings: &RoundingSettings) -> Option<Seen> {
        if window.sse.count_ones() < settings.modes {
            return None;
        }
        if !window.is_suspicious(settings) {
            let from = window.begun.wall;
            return Some(Seen { rule: Rule::RoundingVaried, from, is_verdict: true });
        }
        let kept = |(_, ended): &(Now, Now)| now.steady.since(ended.steady) <= settings.memory;
        while self.suspicious.front().is_some_and(|first| !kept(first)) {
            self.suspicious.pop_front();
        }
        let far = self
            .suspicious
            .back()
            .is_none_or(|(begun, _)| window.begun.steady.since(begun.steady) >= settings.apart);
        if far {
            self.suspicious.push_back((window.begun, now));
            if self.suspicious.len() > settings.windows.max(1) {
                self.suspicious.pop_front();
            }
        }
        let from = self.suspicious.front().map_or(window.begun.wall, |(begun, _)| begun.wall);
        let is_verdict = self.suspicious.len() >= settings.windows;
        Some(Seen { rule: Rule::RoundingModes, from, is_verdict })
    }
}
