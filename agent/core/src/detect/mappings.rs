//! Sizes of memory that RandomX needs, beside code that was generated.
//!
//! One size says little: an array of 2^25 doubles and a heap of 256 MiB are as large as the cache. So the cache counts
//! only beside scratchpads and with code of just the size that the reference library generates.

use std::collections::BTreeMap;

use super::Area;

/// A page: what an allocator adds to a large block, for its own head.
const PAGE: u64 = 4096;

/// A scratchpad: 2 MiB (RandomX specification, table 1.2.1, `RANDOMX_SCRATCHPAD_L3`). Cache and dataset are whole
/// multiples of it.
const SCRATCHPAD: u64 = 2 << 20;

/// The cache in scratchpads: 256 MiB (the same table, `RANDOMX_ARGON_MEMORY`).
const CACHE: u64 = 128;

/// The dataset in scratchpads: 2 GiB and 33,554,368 bytes (the same table), which pages fill up to 2,080 MiB.
const DATASET: u64 = 1040;

/// The most scratchpads that the kernel may have merged with a cache or dataset, and the most that lie together.
const MERGED: u64 = 8;

/// Generated code of one virtual machine, or of the cache, in the reference library: 76 KiB were measured in 1.2.
const CODE: u64 = 76 << 10;

/// What one thread has at least: code of its virtual machine and of the cache.
const CODES: u64 = 2;

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
    let anonymous = || areas.iter().filter(|area| area.is_anonymous);
    let data = || anonymous().filter(|area| !area.is_executable).map(|area| area.bytes);
    let code = || anonymous().filter(|area| area.is_executable).map(|area| area.bytes);
    let has_code = code().next().is_some();
    let is_of_library =
        code().all(|bytes| bytes % CODE == 0) && code().sum::<u64>() >= CODES * CODE;
    let has_scratchpads =
        || data().any(|bytes| Merged::of(bytes, CACHE).is_some_and(Merged::has_scratchpads));
    has_code && data().any(|bytes| Merged::of(bytes, DATASET).is_some_and(|one| one.stores == 1))
        || is_of_library
            && data().any(|bytes| Merged::of(bytes, CACHE).is_some_and(|one| one.stores > 0))
            && has_scratchpads()
}

/// Blocks that an allocator has taken from the kernel one after another, which are one area then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Merged {
    /// Caches, or datasets.
    stores: u64,
    scratchpads: u64,
}

impl Merged {
    /// The blocks that make up an area of `bytes`, if stores of `store` scratchpads and scratchpads alone do: with at
    /// most a page more for each.
    fn of(bytes: u64, store: u64) -> Option<Self> {
        let (stores, scratchpads) = (bytes / SCRATCHPAD / store, bytes / SCRATCHPAD % store);
        let heads = bytes % SCRATCHPAD;
        let is_whole = heads.is_multiple_of(PAGE) && heads / PAGE <= stores + scratchpads;
        (is_whole && scratchpads <= MERGED).then_some(Self { stores, scratchpads })
    }

    fn has_scratchpads(self) -> bool {
        self.scratchpads > 0
    }
}
