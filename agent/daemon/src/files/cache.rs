//! Inputs on this node, by content, up to a size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_artefacts::{Entry, Fault, Folder, Sealed};
use repower_model::{Hash, JobId, Span};

use crate::clock;

/// How long what has begun to come and broken off is kept.
const STALE: Span = Span::from_secs(24 * 3600);

/// Inputs on this node. What a job that is here needs stays; else what was not used for the longest time goes first.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Folder,
    limit: u64,
    state: Mutex<State>,
    rooms: Rooms,
}

/// Bytes for which room is kept, by the names of what is to come.
#[derive(Debug, Clone, Default)]
struct Rooms(Arc<Mutex<BTreeMap<String, u64>>>);

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only one has it at a time.
#[derive(Debug, Clone)]
pub(crate) struct Turn(Arc<Held>);

#[derive(Debug)]
struct Held {
    name: String,
    rooms: Rooms,
    _guard: tokio::sync::OwnedMutexGuard<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.rooms.lock().remove(&self.name);
    }
}

impl Turn {
    /// Does what takes its time, as hashing, syncing and removing do, while the link and all other transfers go on. Who gives
    /// up waiting for it does not end it, so it keeps the turn until it is over.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let turn = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| Fault::Ending)
    }
}

#[derive(Debug, Default)]
struct State {
    pins: BTreeMap<JobId, BTreeSet<Hash>>,
    /// One at a time for each that comes in, by the name of its part.
    coming: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
}

impl Cache {
    /// Opens the cache in a folder, and drops what began to come long ago.
    pub(crate) fn open(folder: &Path, limit: u64) -> Result<Self, Fault> {
        let folder = Folder::open(folder)?;
        folder.sweep(clock::now().wall.before(STALE))?;
        Ok(Self { folder, limit, state: Mutex::default(), rooms: Rooms::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Keeps one for a job that needs it; returns whether it is here.
    pub(crate) fn pin(&self, job: JobId, digest: Hash) -> bool {
        self.state().pins.entry(job).or_default().insert(digest);
        let here = self.folder.find(digest).is_some();
        if here && let Err(fault) = self.folder.touch(digest, clock::now().wall) {
            tracing::debug!(%fault, "the cache forgets when something was used");
        }
        here
    }

    /// A job is no longer here.
    pub(crate) fn release(&self, job: JobId) {
        self.state().pins.remove(&job);
    }

    /// No job is here any more.
    pub(crate) fn release_all(&self) {
        self.state().pins.clear();
    }

    /// The turn of bringing something by this name, or of whatever else only one may do at a time.
    pub(crate) async fn turn(&self, name: &str) -> Turn {
        let turn = {
            let mut state = self.state();
            // Whoever waits for a turn holds it, too.
            state.coming.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(state.coming.entry(name.to_owned()).or_default())
        };
        let (name, rooms, guard) = (name.to_owned(), self.rooms.clone(), turn.lock_owned().await);
        Turn(Arc::new(Held { name, rooms, _guard: guard }))
    }

    /// Keeps room for what comes in by this turn, of which there will be so many bytes in all: by removing what no job
    /// here needs, and what has begun to come and nobody goes on with. It is kept until that is admitted, or the turn is
    /// over.
    ///
    /// # Errors
    ///
    /// In words, if what jobs here need, and what else comes in, leaves too little. The room that was kept before stays.
    pub(crate) fn make_room(&self, turn: &Turn, whole: u64) -> Result<(), String> {
        // Held to the end: room that is promised to two is no room.
        let mut rooms = self.rooms.lock();
        let (mut held, mut idle) = (0, Vec::new());
        let words = |fault: Fault| fault.to_string();
        for entry in self.entries().map_err(words)? {
            held += entry.bytes;
            idle.push((entry.modified, Idle::Whole(entry.digest), entry.bytes));
        }
        let mut coming = rooms.clone();
        for part in self.folder.coming().map_err(words)? {
            match coming.get_mut(&part.name) {
                Some(room) => *room = part.bytes.max(*room),
                None if part.name == turn.0.name => {}
                None => {
                    held += part.bytes;
                    idle.push((part.modified, Idle::Part(part.name), part.bytes));
                }
            }
        }
        coming.remove(&turn.0.name);
        held += coming.values().sum::<u64>();
        idle.sort();
        for (_, what, bytes) in idle {
            if held.saturating_add(whole) <= self.limit {
                break;
            }
            if self.remove(&what).map_err(words)? {
                held -= bytes;
            }
        }
        if held.saturating_add(whole) > self.limit {
            let limit = self.limit;
            return Err(format!(
                "{whole} bytes are to come, but the cache of this node may have {limit} and {held} of them are in use: \
                 a larger --cache of its agent would help"
            ));
        }
        rooms.insert(turn.0.name.clone(), whole);
        Ok(())
    }

    /// Takes in what has come by a turn as a whole; it takes the room that was kept for it.
    pub(crate) fn admit(&self, turn: &Turn, sealed: &Sealed) -> Result<(), Fault> {
        let mut rooms = self.rooms.lock();
        self.folder.admit(sealed)?;
        rooms.remove(&turn.0.name);
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, Fault> {
        let mut entries = Vec::new();
        for first in 0..=u8::MAX {
            entries.extend(self.folder.list(first)?);
        }
        Ok(entries)
    }

    /// Removes something, unless a job needs it; returns whether it did.
    fn remove(&self, what: &Idle) -> Result<bool, Fault> {
        match what {
            Idle::Part(name) => self.folder.remove_coming(name)?,
            Idle::Whole(digest) => {
                // Nobody comes to need it meanwhile.
                let state = self.state();
                if state.pins.values().any(|pins| pins.contains(digest)) {
                    return Ok(false);
                }
                self.folder.remove(*digest)?;
            }
        }
        Ok(true)
    }
}

/// What may be removed to make room.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Idle {
    Whole(Hash),
    /// By the name by which it came in.
    Part(String),
}

#[cfg(test)]
mod tests {
    use repower_artefacts::{Hasher, Part};
    use repower_model::Timestamp;

    use super::*;

    fn put(cache: &Cache, job: u64, bytes: &[u8], used: i64) -> Hash {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        let digest = hasher.finish();
        let mut part = cache.folder.part(digest, 0).unwrap();
        part.write(bytes).unwrap();
        cache.folder.admit(&part.seal(Some(digest)).unwrap()).unwrap();
        assert!(cache.pin(JobId(job), digest));
        cache.folder.touch(digest, Timestamp::from_millis(used)).unwrap();
        digest
    }

    #[tokio::test]
    async fn what_was_not_used_for_the_longest_time_goes_first_and_what_is_needed_never() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 20).unwrap();
        let oldest = put(&cache, 1, b"in use", 1_000);
        let old = put(&cache, 2, b"old one", 2_000);
        let new = put(&cache, 2, b"newer", 3_000);
        cache.release(JobId(2));

        let turn = cache.turn("more").await;
        cache.make_room(&turn, 5).unwrap();
        let after = [oldest, old, new].map(|digest| cache.folder.find(digest).is_some());
        let full = cache.make_room(&turn, 15).unwrap_err();

        assert_eq!(after, [true, false, true]);
        assert!(
            full.starts_with("15 bytes are to come, but the cache of this node may have 20 and 6"),
            "{full}"
        );
        assert_eq!(cache.folder.find(oldest), Some(6));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_keeps_its_turn_until_it_is_over() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Arc::new(Cache::open(root.path(), 10).unwrap());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
        let mut given_up = tokio::task::JoinSet::new();
        let same = Arc::clone(&cache);
        given_up.spawn(async move {
            let turn = same.turn("one").await;
            let work = move || {
                begun.send(()).unwrap();
                ended.recv().unwrap();
            };
            turn.aside(work).await.unwrap();
        });
        has_begun.await.unwrap();
        given_up.shutdown().await;

        let mut next = std::pin::pin!(cache.turn("one"));
        let other = cache.turn("another").await;
        let is_early = futures_util::poll!(next.as_mut()).is_ready();
        end.send(()).unwrap();
        next.await;

        assert!(!is_early);
        drop(other);
    }

    #[tokio::test]
    async fn what_is_needed_once_more_is_as_good_as_new() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 10).unwrap();
        let first = put(&cache, 1, b"first", 1_000);
        let second = put(&cache, 1, b"secon", 2_000);
        cache.release(JobId(1));

        assert!(cache.pin(JobId(2), first));
        cache.release(JobId(2));
        cache.make_room(&cache.turn("more").await, 5).unwrap();

        assert_eq!((cache.folder.find(first), cache.folder.find(second)), (Some(5), None));
        assert!(!cache.pin(JobId(3), second));
    }

    /// Begins to bring something in.
    fn part(cache: &Cache, name: &str, bytes: &[u8]) -> Part {
        let mut part = Part::open(&cache.folder.incoming(name), 0).unwrap();
        part.write(bytes).unwrap();
        part
    }

    #[tokio::test]
    async fn what_is_on_its_way_counts_as_if_it_were_there_until_it_is_or_is_given_up() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 20).unwrap();
        let (one, other) = (cache.turn("one").await, cache.turn("other").await);

        cache.make_room(&one, 12).unwrap();
        let full = cache.make_room(&other, 9).unwrap_err();
        cache.make_room(&other, 8).unwrap();
        let both = cache.make_room(&one, 13).unwrap_err();
        assert!(full.contains("9 bytes are to come") && full.contains("20 and 12 of"), "{full}");
        assert!(both.contains("20 and 8 of"), "{both}");

        // What has come is part of what was promised, and is there once when it is whole.
        let sealed = part(&cache, "one", b"one is here.").seal(None).unwrap();
        cache.make_room(&other, 8).unwrap();
        cache.admit(&one, &sealed).unwrap();
        assert!(cache.pin(JobId(1), sealed.digest));
        cache.make_room(&other, 8).unwrap();
        drop(other);
        let third = cache.turn("third").await;
        cache.make_room(&third, 8).unwrap();
    }

    #[tokio::test]
    async fn what_has_broken_off_goes_when_its_room_is_needed_and_what_goes_on_does_not() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 20).unwrap();
        part(&cache, "left", b"of an agent before");
        part(&cache, "mine", b"first");
        let mine = cache.turn("mine").await;
        cache.make_room(&mine, 10).unwrap();
        let left = cache.folder.incoming("left").exists();
        let next = cache.turn("next").await;
        cache.make_room(&next, 10).unwrap();

        assert!(!left, "18 bytes of it and 10 to come are more than 20");
        assert!(cache.folder.incoming("mine").exists(), "its first bytes need not come again");
        assert!(cache.make_room(&cache.turn("more").await, 1).is_err());
    }
}
