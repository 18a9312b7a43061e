//! How the policy wants tasks ordered, and what projects may have.

use std::collections::BTreeMap;

use repower_model::{Bytes, Cpus, Resources, Span};
use serde::Deserialize;

use crate::plan::Discipline;

/// How the policy wants tasks ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduling {
    /// The queueing discipline.
    pub discipline: Discipline,
    /// After this long what a project has used counts half; only `repower` asks.
    pub half_life: Span,
    /// Who may push whom aside; `None`: nobody.
    pub preemption: Option<Preemption>,
}

/// Who may push whom aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preemption {
    /// Jobs of this priority and higher may ..
    pub from: i32,
    /// .. have tasks stopped whose jobs have a lower priority than this.
    pub below: i32,
}

/// What a project may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its part of the cell against that of others, in thousandths of the usual one.
    pub share_milli: u64,
    /// The most that its tasks may hold at once, in the dimensions that are named.
    pub quota: Vec<Quota>,
}

/// A bound in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Which.
    pub dimension: repower_model::Dimension,
    /// In the dimension's own unit.
    pub most: u64,
}

impl Default for Project {
    fn default() -> Self {
        Self { share_milli: 1000, quota: Vec::new() }
    }
}

impl Project {
    /// The first bound that `held` and `asked` together would pass.
    pub fn passed(&self, held: &Resources, asked: &Resources) -> Option<&Quota> {
        self.quota.iter().find(|quota| {
            let sum = held.amount(&quota.dimension).saturating_add(asked.amount(&quota.dimension));
            asked.amount(&quota.dimension) > 0 && sum > quota.most
        })
    }
}

impl Default for Scheduling {
    fn default() -> Self {
        let half_life = Span::from_secs(7 * 24 * 3600);
        Self { discipline: Discipline::default(), half_life, preemption: None }
    }
}

/// The table `[scheduling]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SchedulingTable {
    policy: Discipline,
    half_life_hours: u32,
    preempt_from: Option<i32>,
    preempt_below: Option<i32>,
}

impl Default for SchedulingTable {
    fn default() -> Self {
        let policy = Discipline::default();
        Self { policy, half_life_hours: 7 * 24, preempt_from: None, preempt_below: None }
    }
}

impl SchedulingTable {
    pub(super) const KEYS: [&str; 5] =
        ["scheduling", "policy", "half-life-hours", "preempt-from", "preempt-below"];

    /// What the table says, or what is wrong with it.
    pub(super) fn read(&self) -> Result<Scheduling, &'static str> {
        if self.half_life_hours == 0 {
            return Err("`half-life-hours` is 0, but must be at least 1");
        }
        let preemption = match (self.preempt_from, self.preempt_below) {
            (None, None) => None,
            (Some(from), Some(below)) if below <= from => Some(Preemption { from, below }),
            (Some(_), Some(_)) => {
                return Err("`preempt-below` is above `preempt-from`: jobs would stop each other");
            }
            _ => return Err("`preempt-from` and `preempt-below` go together"),
        };
        Ok(Scheduling {
            discipline: self.policy,
            half_life: Span::from_secs(u64::from(self.half_life_hours) * 3600),
            preemption,
        })
    }
}

/// A table `[project.NAME]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ProjectTable {
    share: Option<f64>,
    quota_cpus: Option<u32>,
    quota_memory_gib: Option<u32>,
    quota_disk_gib: Option<u32>,
    quota_extras: BTreeMap<String, u64>,
}

impl ProjectTable {
    pub(super) const KEYS: [&str; 6] =
        ["project", "share", "quota-cpus", "quota-memory-gib", "quota-disk-gib", "quota-extras"];

    /// What the table says, or what is wrong with it.
    pub(super) fn read(self) -> Result<Project, &'static str> {
        use repower_model::Dimension::{Cpus as InCpus, Disk, Extra, Memory};
        let share = self.share.unwrap_or(1.0);
        if !(0.001..=1_000_000.0).contains(&share) {
            return Err("`share` must be between 0.001 and 1000000");
        }
        let gib = |count: u32| Bytes::from_gib(u64::from(count)).as_u64();
        let fixed = [
            (InCpus, self.quota_cpus.map(|count| Cpus::from_whole(u64::from(count)).as_milli())),
            (Memory, self.quota_memory_gib.map(gib)),
            (Disk, self.quota_disk_gib.map(gib)),
        ];
        let fixed = fixed.into_iter().filter_map(|(dimension, most)| Some((dimension, most?)));
        let extras = self.quota_extras.into_iter().map(|(name, most)| (Extra(name), most));
        let quota = fixed.chain(extras).map(|(dimension, most)| Quota { dimension, most });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is bounded"
        )]
        let share_milli = (share * 1000.0) as u64;
        Ok(Project { share_milli, quota: quota.collect() })
    }
}
