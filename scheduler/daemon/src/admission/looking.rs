//! A look at one file, on a thread that may wait.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf as _, Bytes};
use repower_admission::{Limits, Looked, Rules, Sought, files};
use repower_model::Hash;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PATTERNS;

/// Pieces that wait between the disk and the one who looks.
const WAITING: usize = 4;

/// A look on a thread apart. It keeps its turn to its end; and it is left off, soon, when nobody waits
/// for it any more.
#[derive(Debug)]
pub(super) struct Looking {
    /// Takes them in their order; an error says that the rest cannot be read.
    pub(super) pieces: mpsc::Sender<Result<Bytes, ()>>,
    thread: JoinHandle<io::Result<Looked>>,
    waited_for: Waited,
}

/// Says, when it is dropped, that nobody waits.
#[derive(Debug)]
struct Waited(Arc<AtomicBool>);

impl Drop for Waited {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Looking {
    /// Begins to look; `digests` are of what must not run, `rules` those of the policy.
    pub(super) fn begin(
        turn: impl Send + 'static,
        executable: bool,
        digests: Arc<BTreeSet<Hash>>,
        rules: Option<Arc<Rules>>,
    ) -> Self {
        let (pieces, received) = mpsc::channel(WAITING);
        let is_waited = Arc::new(AtomicBool::new(true));
        let waited_for = Waited(Arc::clone(&is_waited));
        let thread = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut stream = Pieces { received, piece: Bytes::new() };
            let leave = || !is_waited.load(Ordering::Relaxed);
            let sought = Sought { patterns: &PATTERNS, digests: &digests, rules: rules.as_deref() };
            files(sought, &mut stream, executable, &Limits::default(), &leave)
        });
        Self { pieces, thread, waited_for }
    }

    /// All pieces were sent: what was found.
    pub(super) async fn end(self) -> io::Result<Looked> {
        let Self { pieces, thread, waited_for } = self;
        drop(pieces);
        let looked = thread.await.map_err(io::Error::other)?;
        drop(waited_for);
        looked
    }
}

/// A stream of pieces as something to read from, on a thread that may wait.
struct Pieces {
    received: mpsc::Receiver<Result<Bytes, ()>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.received.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(())) => return Err(io::Error::other("the store of artefacts failed")),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_look_that_nobody_waits_for_is_left_off_and_gives_its_turn_back() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        let looking = Looking::begin(turn, false, Arc::default(), None);
        let pieces = looking.pieces.clone();
        let zeros = Bytes::from(vec![0; 1 << 20]);
        pieces.send(Ok(zeros.clone())).await.unwrap();
        assert_eq!(turns.available_permits(), 0);

        drop(looking);

        // It would go on for 16 GiB otherwise, or for ever while nothing comes.
        let mut sent = 0;
        while pieces.send(Ok(zeros.clone())).await.is_ok() {
            sent += 1;
            assert!(sent < 1_000, "it goes on");
        }
        drop(turns.acquire().await.unwrap());
    }
}
