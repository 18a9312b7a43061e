//! Pieces of output, and how much of it has been sent.

use repower_model::RankId;
use repower_proto::v1;
use repower_store::output::Stream;

use crate::problem::Problem;

/// The streams that are asked for.
pub(super) fn streams(request: &v1::LogsRequest) -> Result<Vec<Stream>, Problem> {
    if request.streams.is_empty() {
        return Ok(vec![Stream::Stdout, Stream::Stderr]);
    }
    let named = request.streams().map(|stream| match stream {
        v1::Stream::Stdout => Ok(Stream::Stdout),
        v1::Stream::Stderr => Ok(Stream::Stderr),
        v1::Stream::Unspecified => Err(Problem::bad_request("a stream is stdout or stderr")),
    });
    named.collect()
}

/// How much of each stream has been sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) stdout: u64,
    pub(super) stderr: u64,
}

impl Sent {
    pub(super) fn of(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// A piece on the wire; `data` is none where the stream was cut.
pub(super) fn chunk(
    id: RankId,
    stream: Stream,
    offset: u64,
    data: Option<Vec<u8>>,
) -> v1::LogChunk {
    let truncated = data.is_none();
    let stream = match stream {
        Stream::Stdout => v1::Stream::Stdout,
        Stream::Stderr => v1::Stream::Stderr,
    };
    v1::LogChunk {
        index: id.attempt.task.index,
        attempt: id.attempt.number,
        stream: stream.into(),
        offset,
        data: data.unwrap_or_default(),
        truncated,
        rank: Some(id.rank),
    }
}

/// Asks the file of what is printed, away from the threads that serve.
pub(super) async fn blocking<T: Send + 'static>(
    query: impl FnOnce() -> Result<T, repower_store::Fault> + Send + 'static,
) -> Result<T, Problem> {
    let answer = tokio::task::spawn_blocking(query).await;
    answer.map_err(|error| Problem::unreadable(&error))?.map_err(Problem::from)
}
