//! What tasks have printed, and go on printing.

mod merged;
mod piece;
mod request;
mod standing;
mod task;
mod whole;

use std::sync::Arc;

use repower_model::{JobId, RankId};
use repower_proto::v1;
use repower_store::output::{self, Stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::STREAM;
use crate::notices::Waiting;
use crate::problem::Problem;
use crate::shared::Shared;
use piece::{chunk, removed};
use request::{Begin, Wanted};

/// How many ranks are looked up at one time.
const PAGE: usize = 1000;
/// The most bytes of a piece: what waits for a slow reader is a few of these.
const PIECE: usize = 64 << 10;
/// How far back the last lines of a stream are looked for.
const TAIL: u64 = 16 << 20;

type Sender = mpsc::Sender<Result<v1::LogChunk, Status>>;

/// Sends what tasks have printed: of a whole job in order of index, or, if it is followed, in the order in which it
/// comes. Goes on until they have ended if asked to.
pub(super) async fn logs(
    shared: &Arc<Shared>,
    request: v1::LogsRequest,
) -> Result<ReceiverStream<Result<v1::LogChunk, Status>>, Status> {
    let wanted = Wanted::of(shared, &request).await?;
    let waiting = shared.notices.of(vec![wanted.job]);
    let (sender, stream) = mpsc::channel(STREAM);
    let to = sender.clone();
    let (index, follow) = (wanted.index, request.follow);
    let logs = Logs { shared: Arc::clone(shared), wanted, waiting, sender: to };
    shared.spawn_stream(sender, async move {
        let sent = match index {
            Some(index) => logs.task(index, follow).await,
            None if follow => logs.merged().await,
            None => logs.whole().await,
        };
        match sent {
            Ok(()) | Err(Stop::Gone) => Ok(()),
            Err(Stop::Problem(problem)) => Err(problem),
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// Why no more is sent.
enum Stop {
    /// Nobody listens any more.
    Gone,
    /// The history cannot be read.
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// One call.
struct Logs {
    shared: Arc<Shared>,
    wanted: Wanted,
    waiting: Waiting,
    sender: Sender,
}

impl Logs {
    fn job(&self) -> JobId {
        self.wanted.job
    }

    /// Asks the file of what is printed.
    async fn printed<T: Send + 'static>(
        &self,
        query: impl FnOnce(&output::Reader) -> Result<T, repower_store::Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        let printed = self.shared.printed.clone();
        self.shared.aside.run(move || query(&printed)).await?.map_err(Problem::from)
    }

    /// The byte to begin a stream with, of a process that has been printing before the call.
    async fn begin(&self, id: RankId, stream: Stream) -> Result<u64, Problem> {
        if let Some(offset) = self.wanted.has(id, stream) {
            return Ok(offset);
        }
        match self.wanted.begin {
            Begin::Byte(offset) => Ok(offset),
            Begin::Lines(lines) => {
                self.printed(move |printed| printed.tail(id, stream, lines, TAIL)).await
            }
        }
    }

    /// Sends what there is of a stream from `offset` on; returns where that ends.
    async fn more(&self, id: RankId, stream: Stream, mut offset: u64) -> Result<u64, Stop> {
        loop {
            let read = move |printed: &output::Reader| printed.read(id, stream, offset, PIECE);
            let piece = self.printed(read).await?;
            if piece.bytes.is_empty() {
                return Ok(offset);
            }
            let missing = piece.start - offset;
            offset = piece.start + piece.bytes.len() as u64;
            self.send(chunk(id, stream, piece.start, missing, piece.bytes)).await?;
        }
    }

    /// Says that the output of a process was removed, if it was.
    async fn removed(&self, id: RankId) -> Result<bool, Stop> {
        let is_removed = self.printed(move |printed| printed.is_removed(id)).await?;
        if is_removed {
            self.send(removed(id)).await?;
        }
        Ok(is_removed)
    }

    async fn send(&self, mut chunk: v1::LogChunk) -> Result<(), Stop> {
        chunk.rank = chunk.rank.filter(|_| self.wanted.ranks.is_gang);
        self.sender.send(Ok(chunk)).await.map_err(|_| Stop::Gone)
    }
}
