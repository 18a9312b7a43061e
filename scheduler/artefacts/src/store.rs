//! The artefacts of a scheduler, for many callers at a time.

mod lanes;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use repower_model::{Hash, Timestamp};
use tokio::sync::{Notify, OwnedMutexGuard, mpsc, oneshot};

use crate::bucket::{Bits, Place};
use crate::{Bucket, Entry, Fault, Folder, PIECE, Permit, Sealed, Web};
use lanes::Lanes;
pub use lanes::Mover;

/// Pieces that wait between the network and the disk on their way in.
const WAITING: usize = 4;
/// The same on their way out: a reader that stands still keeps that many in memory.
const AHEAD: usize = 2;

/// The artefacts of a scheduler; cheap to clone.
///
/// What comes in goes to the disk first and is checked there; so what has arrived of an artefact when its transfer
/// breaks off need not be sent again, and nothing is visible before it is whole.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    bucket: Option<Bucket>,
    incoming: Mutex<BTreeMap<Hash, Turn>>,
    puts: Lanes,
    gets: Lanes,
}

/// Who sends an artefact just now.
#[derive(Debug, Clone)]
struct Turn {
    lock: Arc<tokio::sync::Mutex<()>>,
    leave: Arc<Notify>,
}

/// How much there is of an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How long it is; `None`: it is not there.
    pub bytes: Option<u64>,
    /// How much has come of one that is not there.
    pub received: u64,
}

impl Store {
    /// Opens the artefacts at a place. Nothing is asked of another machine yet.
    pub fn open(place: &Place) -> Result<Self, Fault> {
        let (folder, bucket) = match place {
            Place::Folder(folder) => (folder, None),
            Place::Bucket { address, credentials, folder } => {
                let bucket = Bucket::open(address, credentials.as_deref(), &Web::new()?)?;
                (folder, Some(bucket))
            }
        };
        Ok(Self(Arc::new(Inner {
            folder: Folder::open(folder)?,
            bucket,
            incoming: Mutex::default(),
            puts: Lanes::new(),
            gets: Lanes::new(),
        })))
    }

    /// How much there is of an artefact.
    pub async fn stat(&self, digest: Hash) -> Result<Standing, Fault> {
        let inner = &self.0;
        let bytes = match &inner.bucket {
            Some(bucket) => bucket.find(digest).await?,
            None => inner.folder.find(digest),
        };
        let received = if bytes.is_some() { 0 } else { inner.folder.received(digest) };
        Ok(Standing { bytes, received })
    }

    /// Takes in an artefact of so many bytes after its first `offset`. Whoever sends the same one already is told to
    /// leave off: most often that is the same sender, whose connection broke.
    pub async fn put(
        &self,
        mover: &Mover,
        digest: Hash,
        bytes: u64,
        offset: u64,
    ) -> Result<Put, Fault> {
        let permit = self.0.puts.enter(mover).await;
        let turn = self.turn(digest);
        let guard = Arc::clone(&turn.lock).lock_owned().await;
        let claim = Claim {
            store: self.clone(),
            digest,
            turn: turn.clone(),
            _permit: permit,
            _guard: guard,
        };
        let (pieces, received) = mpsc::channel::<Bytes>(WAITING);
        let (done, sealed) = oneshot::channel();
        let folder = self.0.folder.clone();
        // On a thread of its own, so that hashing and writing go on while the next bytes come.
        drop(tokio::task::spawn_blocking(move || {
            let taken = take(&folder, digest, bytes, offset, received);
            // Nobody waits for it any more if the connection broke.
            done.send(taken.map(|sealed| (sealed, claim))).unwrap_or_default();
        }));
        Ok(Put { store: self.clone(), digest, leave: turn.leave, pieces, sealed })
    }

    /// Takes the turn of sending an artefact.
    fn turn(&self, digest: Hash) -> Turn {
        let mut incoming = self.incoming();
        let before = incoming.get(&digest);
        if let Some(before) = before {
            before.leave.notify_one();
        }
        let lock = before.map(|before| Arc::clone(&before.lock)).unwrap_or_default();
        let turn = Turn { lock, leave: Arc::default() };
        incoming.insert(digest, turn.clone());
        turn
    }

    fn incoming(&self) -> MutexGuard<'_, BTreeMap<Hash, Turn>> {
        self.0.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An artefact from `offset` on.
    pub async fn get(&self, mover: &Mover, digest: Hash, offset: u64) -> Result<Reading, Fault> {
        let permit = self.0.gets.enter(mover).await;
        if let Some(bucket) = &self.0.bucket {
            let (bytes, bits) = bucket.get(digest, offset).await?;
            return Ok(Reading { bytes, from: From::Bucket(bits), _permit: permit });
        }
        let mut file = self.0.folder.read(digest, offset)?;
        let path = self.0.folder.path(digest);
        let bytes = file.metadata().map_err(Fault::io("read", &path))?.len();
        let (pieces, from) = mpsc::channel(AHEAD);
        drop(tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
                let read = read.map_err(Fault::io("read", &path));
                let is_last = !matches!(read, Ok(PIECE));
                let piece = read.map(|_| Bytes::from(piece));
                if pieces.blocking_send(piece).is_err() || is_last {
                    return;
                }
            }
        }));
        Ok(Reading { bytes, from: From::Folder(from), _permit: permit })
    }

    /// Removes an artefact; one that is not there needs no removing.
    pub async fn remove(&self, digest: Hash) -> Result<(), Fault> {
        match &self.0.bucket {
            Some(bucket) => bucket.remove(digest).await,
            None => self.0.folder.remove(digest),
        }
    }

    /// The artefacts whose digests begin with this byte.
    pub async fn list(&self, first: u8) -> Result<Vec<Entry>, Fault> {
        if let Some(bucket) = &self.0.bucket {
            return bucket.list(first).await;
        }
        let folder = self.0.folder.clone();
        let listed = tokio::task::spawn_blocking(move || folder.list(first)).await;
        listed.map_err(|_| Fault::Ending)?
    }

    /// Removes what has begun to come in and not gone on since `before`; returns how many bytes that was.
    pub fn sweep(&self, before: Timestamp) -> Result<u64, Fault> {
        self.0.folder.sweep(before)
    }

    /// Takes in a whole file of this machine.
    pub async fn put_file(&self, path: &Path, digest: Hash) -> Result<(), Fault> {
        let mut file = std::fs::File::open(path).map_err(Fault::io("open", path))?;
        let bytes = file.metadata().map_err(Fault::io("read", path))?.len();
        let put = self.put(&Mover::Own, digest, bytes, 0).await?;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
            if read.map_err(Fault::io("read", path))? == 0 {
                return put.finish().await;
            }
            put.write(piece.into()).await;
        }
    }
}

/// The right to send an artefact, given back at the end.
#[derive(Debug)]
struct Claim {
    store: Store,
    digest: Hash,
    turn: Turn,
    _permit: Permit<Mover>,
    _guard: OwnedMutexGuard<()>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut incoming = self.store.incoming();
        let is_mine = |turn: &Turn| Arc::ptr_eq(&turn.leave, &self.turn.leave);
        if incoming.get(&self.digest).is_some_and(is_mine) {
            incoming.remove(&self.digest);
        }
    }
}

/// Writes what comes, and makes it durable when it is whole.
fn take(
    folder: &Folder,
    digest: Hash,
    bytes: u64,
    offset: u64,
    mut pieces: mpsc::Receiver<Bytes>,
) -> Result<Sealed, Fault> {
    let mut part = folder.part(digest, offset)?;
    part.check_room(bytes.saturating_sub(offset))?;
    while let Some(piece) = pieces.blocking_recv() {
        let found = part.written() + piece.len() as u64;
        if found > bytes {
            part.remove();
            return Err(Fault::WrongSize { expected: bytes, found });
        }
        part.write(&piece)?;
    }
    let found = part.written();
    if found < bytes {
        // The sender is gone: what has come stays for the next try.
        return Err(Fault::WrongSize { expected: bytes, found });
    }
    part.seal(Some(digest))
}

/// An artefact that is coming in.
#[derive(Debug)]
pub struct Put {
    store: Store,
    digest: Hash,
    leave: Arc<Notify>,
    pieces: mpsc::Sender<Bytes>,
    sealed: oneshot::Receiver<Result<(Sealed, Claim), Fault>>,
}

impl Put {
    /// Hands on the next bytes. If they cannot be kept, [`Put::finish`] says why, and false is returned.
    pub async fn write(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// Returns when somebody else sends the same artefact; then this one must be dropped.
    pub async fn superseded(&self) -> Fault {
        self.leave.notified().await;
        Fault::Superseded { digest: self.digest }
    }

    /// Makes it visible, if all of it has come and it is what it should be.
    pub async fn finish(self) -> Result<(), Fault> {
        let Self { store, digest, pieces, sealed, .. } = self;
        drop(pieces);
        let (sealed, claim) = sealed.await.map_err(|_| Fault::Ending)??;
        if let Some(bucket) = &store.0.bucket {
            bucket.put(&sealed.path, digest, sealed.bytes).await?;
            let path = sealed.path;
            std::fs::remove_file(&path).map_err(Fault::io("remove", &path))?;
        } else {
            let folder = store.0.folder.clone();
            let admitted = tokio::task::spawn_blocking(move || folder.admit(&sealed)).await;
            admitted.map_err(|_| Fault::Ending)??;
        }
        drop(claim);
        Ok(())
    }
}

/// An artefact that is going out.
#[derive(Debug)]
pub struct Reading {
    /// How long all of it is.
    pub bytes: u64,
    from: From,
    _permit: Permit<Mover>,
}

enum From {
    Folder(mpsc::Receiver<Result<Bytes, Fault>>),
    Bucket(Bits),
}

impl std::fmt::Debug for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Folder(_) => "Folder",
            Self::Bucket(_) => "Bucket",
        })
    }
}

impl Reading {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        match &mut self.from {
            From::Folder(pieces) => {
                Ok(pieces.recv().await.transpose()?.filter(|piece| !piece.is_empty()))
            }
            From::Bucket(bits) => bits.try_next().await,
        }
    }
}

#[cfg(test)]
mod tests;
