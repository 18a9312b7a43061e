//! All rules over one task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use repower_model::Timestamp;

use super::flat::Flat;
use super::flow::Flows;
use super::mappings::Mappings;
use super::rounding::{Carried, Rounding};
use super::traced::Traced;
use super::{ExecutableState, Response, Rule, Sample, Settings, Verdict, content};
use crate::Now;

/// How much was seen of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Windows of control registers that were filled.
    pub windows: u64,
    /// Those with at least two modes of MXCSR.
    pub restless: u64,
    /// Those with at least three while the x87 was constant.
    pub suspicious: u64,
    /// Windows of connections that were filled.
    pub flow_windows: u64,
}

/// The judge of one task.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    rounding: Rounding,
    flows: Flows,
    mappings: Mappings,
    flat: Flat,
    traced: Traced,
    verdicts: BTreeMap<Rule, Verdict>,
}

impl Detector {
    /// Of a task that nothing is known about yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            rounding: Rounding::default(),
            flows: Flows::default(),
            mappings: Mappings::default(),
            flat: Flat::default(),
            traced: Traced::default(),
            verdicts: BTreeMap::new(),
        }
    }

    /// Takes a sample in; the verdicts that are new because of it.
    ///
    /// What was noticed before only moves its last-seen time.
    pub fn observe(&mut self, sample: &Sample, now: Now) -> Vec<Verdict> {
        let (process, broken) = self.broken(sample, now);
        let mut fresh = Vec::new();
        for (rule, from) in broken {
            if let Some(verdict) = self.note(rule, process, from, now.wall) {
                fresh.push(verdict);
            }
        }
        fresh
    }

    /// What was noticed so far, by rule.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        self.verdicts.values().copied()
    }

    /// What is to be done about the task.
    pub fn response(&self) -> Response {
        Response::to(self.verdicts().map(|one| (one.rule.tier().number(), one.rule.mechanism())))
    }

    /// How much was seen of it.
    pub fn coverage(&self) -> Coverage {
        Coverage {
            windows: self.rounding.windows,
            restless: self.rounding.restless,
            suspicious: self.rounding.suspicious,
            flow_windows: self.flows.windows,
        }
    }

    /// Whether the window of registers that is being filled is not calm.
    pub fn is_restless(&self) -> bool {
        self.rounding.is_restless()
    }

    /// Digests of images that must not run from now on.
    pub fn forbid(&mut self, digests: Arc<BTreeSet<[u8; 32]>>) {
        self.settings.known_digests = digests;
    }

    /// What the task leaves to the next of its job when it ends: registers that do not make a verdict yet.
    pub fn leave(&mut self, now: Now) -> Carried {
        self.rounding.leave(now, &self.settings.rounding)
    }

    /// Goes on from what earlier tasks of its job have left, before the first sample.
    pub fn carry_on(&mut self, carried: Carried) {
        self.rounding.carry_on(carried);
    }

    /// The thresholds.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn broken(&mut self, sample: &Sample, now: Now) -> (u32, Vec<(Rule, Timestamp)>) {
        let at_once = |rule| vec![(rule, now.wall)];
        match sample {
            Sample::Registers(registers) => {
                let seen = self.rounding.observe(*registers, now, &self.settings.rounding);
                let seen = seen.filter(|seen| seen.is_verdict);
                (registers.process, seen.map(|seen| (seen.rule, seen.from)).into_iter().collect())
            }
            Sample::Memory(memory) => {
                let rules = content::rules(&memory.hits, &self.settings);
                (memory.process, rules.map(|rule| (rule, now.wall)).collect())
            }
            Sample::Executable(executable) => {
                let rule = match executable.state {
                    ExecutableState::Changed => Rule::ExecutableChanged,
                    ExecutableState::InMemory => Rule::ExecutableInMemory,
                    ExecutableState::Deleted => Rule::ExecutableDeleted,
                };
                (executable.process, at_once(rule))
            }
            Sample::Mappings { process, areas } => {
                let is_like = !self.settings.declares_jit && self.mappings.observe(*process, areas);
                (*process, if is_like { at_once(Rule::MiningMappings) } else { Vec::new() })
            }
            Sample::Flow(flow) => (0, self.flows.observe(*flow, now, &self.settings.flow)),
            Sample::Counters(counters) => {
                let begun = self.flat.observe(*counters, now, &self.settings.flat);
                (0, begun.map(|begun| (Rule::FlatLoad, begun)).into_iter().collect())
            }
            Sample::Blocked { process } => (*process, at_once(Rule::ProbeBlocked)),
            Sample::Traced { process } => {
                let begun = self.traced.observe(now, &self.settings.traced);
                (*process, begun.map(|begun| (Rule::ProbeBlocked, begun)).into_iter().collect())
            }
            Sample::Device { process } => (*process, at_once(Rule::DeviceRegisters)),
        }
    }

    fn note(
        &mut self,
        rule: Rule,
        process: u32,
        from: Timestamp,
        at: Timestamp,
    ) -> Option<Verdict> {
        if let Some(known) = self.verdicts.get_mut(&rule) {
            *known = known.again(process, from, at);
            return None;
        }
        let verdict = Verdict {
            rule,
            version: rule.version(),
            first_seen: from.min(at),
            last_seen: at,
            times: 1,
            process,
        };
        self.verdicts.insert(rule, verdict);
        Some(verdict)
    }
}
