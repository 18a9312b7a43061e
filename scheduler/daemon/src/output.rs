//! What tasks print, on its way to the disk: one thread, one commit for all that has come.

mod tender;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use repower_model::JobId;
use repower_store::Fault;
use repower_store::output::{Chunk, Output, Refused};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::notices::Notices;
use crate::problem::Problem;

pub(crate) use tender::tend;

/// How many messages may wait for the writer.
const WAITING: usize = 1024;
/// A commit is closed when it has so many bytes.
const COMMIT_BYTES: usize = 16 << 20;

/// Chunks of one message, and who waits for them.
#[derive(Debug)]
struct Piece {
    chunks: Vec<Chunk>,
    done: oneshot::Sender<Result<(), Problem>>,
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
}

/// The writer, before it runs on its thread.
#[derive(Debug)]
pub(crate) struct Printing {
    output: Output,
    notices: Arc<Notices>,
    /// The bound of each stream.
    bound: u64,
    letters: mpsc::Receiver<Letter>,
}

/// A writer, and the way to it.
pub(crate) fn printer(output: Output, notices: Arc<Notices>, bound: u64) -> (Printer, Printing) {
    let (letters, received) = mpsc::channel(WAITING);
    (Printer { letters }, Printing { output, notices, bound, letters: received })
}

impl Printer {
    /// Keeps chunks; returns when they are durable.
    pub(crate) async fn keep(&self, chunks: Vec<Chunk>) -> Result<(), Problem> {
        let (done, kept) = oneshot::channel();
        let sent = self.letters.send(Letter::Keep(Piece { chunks, done })).await;
        sent.map_err(|_| Problem::ending())?;
        kept.await.map_err(|_| Problem::ending())?
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
            bytes += piece.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
            chunks.extend(piece.chunks);
            waiting.push(piece.done);
            next = (bytes < COMMIT_BYTES).then(|| self.letters.try_recv().ok()).flatten();
        }
        let kept = self.keep(&chunks);
        for done in waiting {
            if done.send(kept.clone()).is_err() {
                tracing::debug!("the link that printed has gone");
            }
        }
        next
    }

    fn keep(&mut self, chunks: &[Chunk]) -> Result<(), Problem> {
        let kept = self.output.append(chunks, self.bound, clock::now()).map_err(|fault| {
            tracing::error!(%fault, "output cannot be kept");
            Problem::from(fault)
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
