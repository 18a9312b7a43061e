//! Sizes of memory that RandomX needs, beside code that was generated.

use std::collections::BTreeMap;

use super::Area;

/// The cache: 256 MiB (RandomX specification, table 1.2.1, `RANDOMX_ARGON_MEMORY`).
const CACHE: u64 = 256 << 20;

/// The dataset: 2 GiB and 33,554,368 bytes (the same table).
const DATASET: u64 = (2 << 30) + 33_554_368;

/// What the allocator and neighbours that the kernel merges may add.
const SLACK: u64 = 16 << 20;

/// Looks in a row that make a verdict.
const LOOKS: u32 = 2;

/// The most processes that are followed.
const PROCESSES: usize = 64;

/// The layouts of the processes of one task.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    looks: BTreeMap<u32, u32>,
}

impl Mappings {
    /// Whether the layout of a process is that of a miner, now and at the look before.
    pub(super) fn observe(&mut self, process: u32, areas: &[Area]) -> bool {
        if !is_mining_like(areas) {
            self.looks.remove(&process);
            return false;
        }
        if self.looks.len() >= PROCESSES && !self.looks.contains_key(&process) {
            self.looks.pop_first();
        }
        let looks = self.looks.entry(process).or_default();
        *looks = looks.saturating_add(1);
        *looks >= LOOKS
    }
}

fn is_mining_like(areas: &[Area]) -> bool {
    let sized = |bytes: u64, wanted: u64| (wanted..=wanted + SLACK).contains(&bytes);
    let is_store =
        |area: &Area| area.is_anonymous && (sized(area.bytes, CACHE) || sized(area.bytes, DATASET));
    let is_generated = |area: &Area| area.is_anonymous && area.is_executable;
    areas.iter().any(is_store) && areas.iter().any(is_generated)
}
