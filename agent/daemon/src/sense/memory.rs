//! Patterns in the images that a process has mapped.
//!
//! Only images are read: files of which a part can be executed, and memory of the process's own that can be.
//! Data is not: a model that is trained on the world's source code holds every word there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use repower_agent_core::detect::patterns::{Hits, Patterns};
use repower_agent_core::detect::{Memory, Sample};

use super::maps::Mapping;
use super::proc;

mod parts;

use parts::{Stamp, from, generated, stamp};

#[cfg(test)]
mod tests;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// What a piece shares with the one before, for patterns that lie across.
const SEAM: u64 = 64;

/// The most images that are remembered; when there are more, all are looked at anew.
const IMAGES: usize = 4096;

/// The most memory of its own of one process that is read in one look; the next look goes on behind it.
const GENERATED: u64 = 8 << 20;

/// Device, inode, length and times: by which an image is known again. One without times is read again at each look.
type Image = (String, u64, u64, Option<Stamp>);

/// From where to where its parts are.
type Parts = Vec<(u64, u64)>;

/// Scans images, each once, within a number of bytes a look.
#[derive(Debug)]
pub(super) struct Scanner {
    patterns: Patterns,
    /// What was found in images that were read whole.
    known: BTreeMap<Image, Hits>,
    /// Where the next look goes on in images that were not.
    begun: BTreeMap<Image, (Hits, u64)>,
    /// Where the next look goes on in the memory that processes have of their own.
    places: BTreeMap<u32, u64>,
    /// Which image comes first, for none to be behind others for ever.
    turn: usize,
    buffer: Vec<u8>,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            patterns: Patterns::new(),
            known: BTreeMap::new(),
            begun: BTreeMap::new(),
            places: BTreeMap::new(),
            turn: 0,
            buffer: Vec::new(),
        }
    }

    /// Looks at the images of a process, at most `budget` bytes, and takes from it what was read.
    pub(super) fn scan(
        &mut self,
        process: u32,
        mappings: &[Mapping],
        budget: &mut u64,
    ) -> Option<Sample> {
        let memory = File::open(proc::path(process, "mem")).ok()?;
        self.buffer.resize(PIECE, 0);
        let mut hits = self.own(&memory, process, mappings, budget);
        let images: Vec<_> = images(process, mappings).into_iter().collect();
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn.checked_rem(images.len()).unwrap_or(0);
        for (image, parts) in images[first..].iter().chain(&images[..first]) {
            let found = self.image(&memory, image, parts, budget);
            // Several libraries with one constant each are not one image with three.
            if found.is_proof_of_work() || found.is_pool_client() {
                hits.add(found);
            }
        }
        self.buffer = Vec::new();
        (hits != Hits::default()).then_some(Sample::Memory(Memory { process, hits }))
    }

    /// Looks at what the process has of its own and can execute, from where the look before ended.
    fn own(&mut self, memory: &File, process: u32, mappings: &[Mapping], budget: &mut u64) -> Hits {
        let place = self.places.remove(&process).unwrap_or(0);
        let mut hits = Hits::default();
        let mut left = GENERATED.min(*budget);
        for (start, end) in from(&generated(process, mappings), place) {
            if left == 0 {
                self.places.insert(process, start);
                break;
            }
            let until = end.min(start.saturating_add(left));
            let seam = if start == place { SEAM } else { 0 };
            hits.add(self.part(memory, start.saturating_sub(seam), until));
            left -= until - start;
            *budget -= until - start;
            if until < end {
                self.places.insert(process, until);
                break;
            }
        }
        if self.places.len() > IMAGES {
            self.places.clear();
        }
        hits
    }

    fn image(
        &mut self,
        memory: &File,
        image: &Image,
        parts: &[(u64, u64)],
        budget: &mut u64,
    ) -> Hits {
        if let Some(hits) = self.known.get(image) {
            return *hits;
        }
        let (mut hits, mut done) = self.begun.remove(image).unwrap_or_default();
        let mut before = 0;
        for (start, end) in parts {
            let length = end - start;
            let skipped = done.saturating_sub(before).min(length);
            let wanted = (length - skipped).min(*budget);
            hits.add(self.part(
                memory,
                start + skipped.saturating_sub(SEAM),
                start + skipped + wanted,
            ));
            *budget -= wanted;
            done += wanted;
            before += length;
        }
        if self.known.len() + self.begun.len() >= IMAGES {
            self.known.clear();
            self.begun.clear();
        }
        if done >= before && image.3.is_none() {
            // It may change without a trace.
        } else if done >= before {
            self.known.insert(image.clone(), hits);
        } else {
            self.begun.insert(image.clone(), (hits, done));
        }
        hits
    }

    /// What lies between two addresses; what cannot be read is passed over.
    fn part(&mut self, memory: &File, start: u64, end: u64) -> Hits {
        let mut scan = self.patterns.scan();
        let mut at = start;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            match memory.read_at(&mut self.buffer[..most], at) {
                Ok(0) | Err(_) => {
                    scan.skip();
                    at = at.saturating_add(PIECE as u64);
                }
                Ok(count) => {
                    scan.feed(&self.buffer[..count]);
                    at = at.saturating_add(count as u64);
                }
            }
        }
        scan.hits()
    }
}

/// The files of which a part can be executed, each with all its parts that can be read or executed.
fn images(process: u32, mappings: &[Mapping]) -> BTreeMap<Image, Parts> {
    let runs: BTreeSet<&(String, u64)> = mappings
        .iter()
        .filter(|one| one.is_executable)
        .filter_map(|one| one.file.as_ref())
        .collect();
    let mut files: BTreeMap<&(String, u64), (Option<Stamp>, Parts)> = BTreeMap::new();
    for mapping in mappings.iter().filter(|one| one.is_readable || one.is_executable) {
        if let Some(file) = mapping.file.as_ref().filter(|file| runs.contains(file)) {
            let new = || (stamp(process, mapping), Vec::new());
            files.entry(file).or_insert_with(new).1.push((mapping.start, mapping.end));
        }
    }
    let total = |parts: &[(u64, u64)]| parts.iter().map(|(start, end)| end - start).sum();
    files
        .into_iter()
        .map(|(file, (times, parts))| ((file.0.clone(), file.1, total(&parts), times), parts))
        .collect()
}
