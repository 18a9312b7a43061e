//! What tasks print, on its way to the disk: one thread, one commit for all that has come.

use std::collections::BTreeSet;
use std::sync::Arc;

use repower_model::JobId;
use repower_store::output::{Chunk, Output, Refused};
use tokio::sync::{mpsc, oneshot};

use crate::notices::Notices;
use crate::problem::Problem;

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

/// The way to the writer; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    pieces: mpsc::Sender<Piece>,
}

/// The writer, before it runs on its thread.
#[derive(Debug)]
pub(crate) struct Printing {
    output: Output,
    notices: Arc<Notices>,
    pieces: mpsc::Receiver<Piece>,
}

/// A writer, and the way to it.
pub(crate) fn printer(output: Output, notices: Arc<Notices>) -> (Printer, Printing) {
    let (pieces, received) = mpsc::channel(WAITING);
    (Printer { pieces }, Printing { output, notices, pieces: received })
}

impl Printer {
    /// Keeps chunks; returns when they are durable.
    pub(crate) async fn keep(&self, chunks: Vec<Chunk>) -> Result<(), Problem> {
        let (done, kept) = oneshot::channel();
        let sent = self.pieces.send(Piece { chunks, done }).await;
        sent.map_err(|_| Problem::ending())?;
        kept.await.map_err(|_| Problem::ending())?
    }
}

impl Printing {
    /// Runs until nobody can print any more.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.pieces.blocking_recv() {
            let (mut chunks, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
            let mut next = Some(first);
            while let Some(piece) = next {
                bytes += piece.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
                chunks.extend(piece.chunks);
                waiting.push(piece.done);
                next = (bytes < COMMIT_BYTES).then(|| self.pieces.try_recv().ok()).flatten();
            }
            let kept = self.keep(&chunks);
            for done in waiting {
                if done.send(kept.clone()).is_err() {
                    tracing::debug!("the link that printed has gone");
                }
            }
        }
    }

    fn keep(&mut self, chunks: &[Chunk]) -> Result<(), Problem> {
        let kept = self.output.append(chunks).map_err(|fault| {
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
