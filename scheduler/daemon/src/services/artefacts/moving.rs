//! Bytes between the store and a client, for as long as they move: whoever stands still gives its place back.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use repower_artefacts::{Mover, PIECE, Permit, Reading};
use repower_model::Span;
use repower_proto::v1;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::arrivals::Arrivals;
use crate::problem::Problem;

/// Pieces that wait to be sent to a reader. The next one is taken from the store while this one is on its way.
pub(super) const WAITING: usize = 1;

type Piece = Result<v1::ArtefactPiece, Status>;

/// What a reader gets; its seat is taken until it has read to the end, or has gone.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pieces: ReceiverStream<Piece>,
    _seat: Permit<Mover>,
}

impl Outgoing {
    pub(super) fn new(pieces: mpsc::Receiver<Piece>, seat: Permit<Mover>) -> Self {
        Self { pieces: ReceiverStream::new(pieces), _seat: seat }
    }
}

impl Stream for Outgoing {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        Pin::new(&mut self.pieces).poll_next(cx)
    }
}

/// Sends an artefact to its reader.
///
/// # Errors
///
/// If the reader takes nothing for as long as `patience`. Its place in the store is free by then.
pub(super) async fn send(
    mut reading: Reading,
    to: mpsc::Sender<Piece>,
    patience: Duration,
) -> Result<(), Problem> {
    while let Some(mut bytes) = reading.next().await? {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            match timeout(patience, to.send(Ok(v1::ArtefactPiece { piece }))).await {
                Ok(Ok(())) => {}
                // The reader has gone.
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(stalled("taken", patience)),
            }
        }
    }
    Ok(())
}

/// What a writer sends.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) messages: Streaming<v1::PutArtefactRequest>,
    pub(super) arrivals: Arrivals,
    pub(super) patience: Duration,
}

impl Incoming {
    /// The next message; `None`: the writer has sent all that it wanted to. A piece may take its time as long as
    /// some of it comes: what has come of one that is broken off would have to be sent again.
    pub(super) async fn next(&mut self) -> Result<Option<v1::PutArtefactRequest>, Status> {
        let Self { messages, arrivals, patience } = self;
        let patience = *patience;
        let next = messages.message();
        match while_it_moves(next, || arrivals.count(), || sleep(patience)).await {
            Some(message) => message,
            None => Err(stalled("sent", patience).into()),
        }
    }
}

/// Waits for something as long as `moved` changes in each pause; `None`: it has not.
async fn while_it_moves<T, P: Future<Output = ()>>(
    work: impl Future<Output = T>,
    moved: impl Fn() -> u64,
    pause: impl Fn() -> P,
) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let before = moved();
        tokio::select! {
            biased;
            done = work.as_mut() => return Some(done),
            () = pause() => if moved() == before {
                return None;
            },
        }
    }
}

/// Others may wait for its place.
fn stalled(what: &str, patience: Duration) -> Problem {
    let patience = Span::from_millis(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
    let text =
        format!("nothing of the artefact was {what} for {patience}, so its transfer is ended");
    Problem::new(Code::Aborted, "artefact.stalled", text)
        .hint("repeat it: it goes on behind what has arrived")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, poll_fn, ready};

    use super::*;

    #[tokio::test]
    async fn what_crawls_is_waited_for_and_what_stands_still_is_not() {
        let (pauses, moved) = (Cell::new(0), Cell::new(0));
        let crawl = || {
            pauses.set(pauses.get() + 1);
            moved.set(moved.get() + 1);
            ready(())
        };
        let work = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if pauses.get() < 5 { Poll::Pending } else { Poll::Ready("done") }
        });

        let crawled = while_it_moves(work, || moved.get(), crawl).await;
        let stood = while_it_moves(pending::<()>(), || moved.get(), || ready(())).await;

        assert_eq!((crawled, stood), (Some("done"), None));
    }

    #[test]
    fn a_reader_is_told_for_how_long_it_stood_still_and_how_it_goes_on() {
        let problem = stalled("taken", Duration::from_secs(30));

        assert_eq!(
            problem.text,
            "nothing of the artefact was taken for 30s, so its transfer is ended"
        );
        assert_eq!(problem.status, Code::Aborted, "which clients take for a reason to go on");
    }
}
