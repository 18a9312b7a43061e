//! Inputs on this node, by content, up to a size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_artefacts::{Entry, Fault, Folder};
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
}

/// Only one has it at a time.
#[derive(Debug, Clone)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "it is held, and nothing else is done with it")]
    Arc<tokio::sync::OwnedMutexGuard<()>>,
);

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
        Ok(Self { folder, limit, state: Mutex::default() })
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
        Turn(Arc::new(turn.lock_owned().await))
    }

    /// Makes room for more, by removing what no job here needs.
    ///
    /// # Errors
    ///
    /// In words, if what jobs here need leaves too little.
    pub(crate) fn make_room(&self, more: u64) -> Result<(), String> {
        let mut entries: Vec<Entry> = Vec::new();
        for first in 0..=u8::MAX {
            entries.extend(self.folder.list(first).map_err(|fault| fault.to_string())?);
        }
        let mut held: u64 = entries.iter().map(|entry| entry.bytes).sum();
        if held.saturating_add(more) <= self.limit {
            return Ok(());
        }
        let pinned: BTreeSet<Hash> = self.state().pins.values().flatten().copied().collect();
        entries.retain(|entry| !pinned.contains(&entry.digest));
        entries.sort_by_key(|entry| (entry.modified, entry.digest));
        for entry in entries {
            if held.saturating_add(more) <= self.limit {
                break;
            }
            self.folder.remove(entry.digest).map_err(|fault| fault.to_string())?;
            held -= entry.bytes;
        }
        if held.saturating_add(more) <= self.limit {
            return Ok(());
        }
        let limit = self.limit;
        Err(format!(
            "{more} bytes are to come, but the cache of this node may have {limit} and {held} of them are in use: \
             a larger --cache of its agent would help"
        ))
    }
}

#[cfg(test)]
mod tests {
    use repower_artefacts::Hasher;
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

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first_and_what_is_needed_never() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 20).unwrap();
        let oldest = put(&cache, 1, b"in use", 1_000);
        let old = put(&cache, 2, b"old one", 2_000);
        let new = put(&cache, 2, b"newer", 3_000);
        cache.release(JobId(2));

        cache.make_room(5).unwrap();
        let after = [oldest, old, new].map(|digest| cache.folder.find(digest).is_some());
        let full = cache.make_room(15).unwrap_err();

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

    #[test]
    fn what_is_needed_once_more_is_as_good_as_new() {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path(), 10).unwrap();
        let first = put(&cache, 1, b"first", 1_000);
        let second = put(&cache, 1, b"secon", 2_000);
        cache.release(JobId(1));

        assert!(cache.pin(JobId(2), first));
        cache.release(JobId(2));
        cache.make_room(5).unwrap();

        assert_eq!((cache.folder.find(first), cache.folder.find(second)), (Some(5), None));
        assert!(!cache.pin(JobId(3), second));
    }
}
