//! What tasks print, on its way to the disk: one thread, one commit for all that has come.

mod tender;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use repower_model::{JobId, RankId};
use repower_store::Fault;
use repower_store::output::{Chunk, Output, Refused, Spare};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::notices::Notices;
use crate::problem::Problem;
use crate::room::Room;

pub(crate) use tender::tend;

/// How many messages may wait for the writer.
const WAITING: usize = 1024;
/// A commit is closed when it has so many bytes.
const COMMIT_BYTES: usize = 16 << 20;

/// While there is no room for chunks, this is how often it is looked whether they are still wanted, or fit by now although
/// no more is to come: what others report waits behind them.
const PAUSE: Duration = Duration::from_millis(500);

/// Chunks of one message, and who waits for them.
#[derive(Debug)]
struct Piece {
    chunks: Vec<Chunk>,
    done: oneshot::Sender<Result<(), Unkept>>,
}

/// Chunks that were not kept.
#[derive(Debug)]
enum Unkept {
    /// There is no room for them now: here they are again.
    NoRoom(Vec<Chunk>),
    Problem(Problem),
}

/// What is to be done.
#[derive(Debug)]
enum Letter {
    Keep(Piece),
    Tend(Tending),
}

/// Something to do with what is there.
struct Tending(Box<dyn FnOnce(&mut Output) + Send>);

impl fmt::Debug for Tending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tending")
    }
}

/// The way to the writer; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    letters: mpsc::Sender<Letter>,
    room: Arc<Room>,
    spare: Arc<Mutex<Spare>>,
}

/// The writer, before it runs on its thread.
#[derive(Debug)]
pub(crate) struct Printing {
    output: Output,
    notices: Arc<Notices>,
    /// The bound of each stream.
    bound: u64,
    letters: mpsc::Receiver<Letter>,
    room: Arc<Room>,
    /// What there was of room in the files after the last commit.
    spare: Arc<Mutex<Spare>>,
}

/// A writer, and the way to it.
pub(crate) fn printer(
    output: Output,
    notices: Arc<Notices>,
    bound: u64,
    room: &Arc<Room>,
) -> (Printer, Printing) {
    let (letters, received) = mpsc::channel(WAITING);
    let spare = Arc::<Mutex<Spare>>::default();
    let printer = Printer { letters, room: Arc::clone(room), spare: Arc::clone(&spare) };
    let printing =
        Printing { output, notices, bound, letters: received, room: Arc::clone(room), spare };
    printing.count();
    (printer, printing)
}

impl Printer {
    /// Keeps chunks; returns when they are durable, with those of whom some were dropped: while there is no room for them it
    /// waits, and passes over those that are not `wanted` any more.
    pub(crate) async fn keep(
        &self,
        mut chunks: Vec<Chunk>,
        wanted: impl Fn(&Chunk) -> bool,
    ) -> Result<BTreeSet<RankId>, Problem> {
        let mut dropped = BTreeSet::new();
        loop {
            let (done, kept) = oneshot::channel();
            let sent = self.letters.send(Letter::Keep(Piece { chunks, done })).await;
            sent.map_err(|_| Problem::ending())?;
            chunks = match kept.await.map_err(|_| Problem::ending())? {
                Ok(()) => return Ok(dropped),
                Err(Unkept::Problem(problem)) => return Err(problem),
                Err(Unkept::NoRoom(chunks)) => chunks,
            };
            loop {
                let gone = chunks.extract_if(.., |chunk| !wanted(chunk));
                dropped.extend(gone.map(|chunk| chunk.rank));
                if chunks.is_empty() {
                    return Ok(dropped);
                }
                let returns = tokio::time::timeout(PAUSE, self.room.returns()).await.is_ok();
                let bytes = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
                if returns || self.room.takes(bytes, self.spare()) {
                    break;
                }
            }
        }
    }

    /// What there is of room in the files of output.
    pub(crate) fn spare(&self) -> Spare {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what room can be given back.
    pub(crate) async fn settle(&self) -> Result<(), Problem> {
        self.tend(Output::settle).await
    }

    /// Does something with what is there, between two commits.
    async fn tend<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Output) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        let (done, result) = oneshot::channel();
        let tending = Tending(Box::new(move |output| {
            // Who asked may have gone with the scheduler.
            drop(done.send(work(output)));
        }));
        let sent = self.letters.send(Letter::Tend(tending)).await;
        sent.map_err(|_| Problem::ending())?;
        Ok(result.await.map_err(|_| Problem::ending())??)
    }
}

impl Printing {
    /// Runs until nobody can print any more.
    pub(crate) fn run(mut self) {
        let mut next = self.letters.blocking_recv();
        while let Some(letter) = next {
            next = match letter {
                Letter::Keep(first) => self.gather(first),
                Letter::Tend(Tending(work)) => {
                    work(&mut self.output);
                    self.count();
                    None
                }
            };
            next = next.or_else(|| self.letters.blocking_recv());
        }
    }

    /// Keeps what has come, in one commit; returns a letter that was too many, if there is one.
    fn gather(&mut self, first: Piece) -> Option<Letter> {
        let (mut chunks, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(Letter::Keep(first));
        while let Some(Letter::Keep(piece)) = next {
            let more = piece.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
            if self.takes((bytes + more) as u64) {
                bytes += more;
                waiting.push((piece.done, piece.chunks.len()));
                chunks.extend(piece.chunks);
            } else {
                tell(piece.done, Err(Unkept::NoRoom(piece.chunks)));
            }
            next = (bytes < COMMIT_BYTES).then(|| self.letters.try_recv().ok()).flatten();
        }
        let kept = self.keep(&chunks);
        let mut chunks = chunks.into_iter();
        for (done, count) in waiting {
            let own = chunks.by_ref().take(count);
            tell(
                done,
                match &kept {
                    Ok(()) => {
                        own.for_each(drop);
                        Ok(())
                    }
                    Err(None) => Err(Unkept::NoRoom(own.collect())),
                    Err(Some(problem)) => Err(Unkept::Problem(problem.clone())),
                },
            );
        }
        self.count();
        next
    }

    /// Whether there is room for so many bytes, if need be that of the log.
    fn takes(&mut self, bytes: u64) -> bool {
        let spare = self.count();
        if self.room.takes(bytes, spare) {
            return true;
        }
        if spare.owed > 0
            && let Err(fault) = self.output.settle()
        {
            tracing::debug!(%fault, "the log of output cannot be given back");
        }
        let spare = self.count();
        let takes = self.room.takes(bytes, spare);
        if !takes {
            self.room.hold();
        }
        takes
    }

    /// Looks how much room there is in the files.
    fn count(&self) -> Spare {
        let spare = self.output.spare().unwrap_or_else(|fault| {
            tracing::debug!(%fault, "cannot count what is free in the file of output");
            Spare::default()
        });
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = spare;
        spare
    }

    /// Keeps chunks; without a problem in the error, there is no room for them.
    fn keep(&mut self, chunks: &[Chunk]) -> Result<(), Option<Problem>> {
        let kept = self.output.append(chunks, self.bound, clock::now()).map_err(|fault| {
            if let Fault::Full { .. } = fault {
                self.room.refused();
                return None;
            }
            tracing::error!(%fault, "output cannot be kept");
            Some(Problem::from(fault))
        })?;
        for (chunk, refused) in
            chunks.iter().zip(kept).filter_map(|(chunk, kept)| Some((chunk, kept.err()?)))
        {
            // Sending again would not help: what was acknowledged is gone from the agent.
            match refused {
                Refused::Gap { .. } | Refused::TooLong { .. } => {
                    tracing::warn!(attempt = %chunk.rank, %refused, "output is lost");
                }
            }
        }
        let jobs: BTreeSet<JobId> =
            chunks.iter().map(|chunk| chunk.rank.attempt.task.job).collect();
        self.notices.tell(jobs);
        Ok(())
    }
}

fn tell(done: oneshot::Sender<Result<(), Unkept>>, kept: Result<(), Unkept>) {
    if done.send(kept).is_err() {
        tracing::debug!("the link that printed has gone");
    }
}
