//! Pieces of output.

use repower_model::RankId;
use repower_proto::v1;
use repower_store::output::Stream;

use crate::problem::Problem;

/// The streams that are asked for.
pub(super) fn streams(request: &v1::LogsRequest) -> Result<Vec<Stream>, Problem> {
    if request.streams.is_empty() {
        return Ok(Stream::ALL.to_vec());
    }
    request.streams().map(stream).collect()
}

/// A stream that somebody names.
pub(super) fn stream(named: v1::Stream) -> Result<Stream, Problem> {
    match named {
        v1::Stream::Stdout => Ok(Stream::Stdout),
        v1::Stream::Stderr => Ok(Stream::Stderr),
        v1::Stream::Unspecified => Err(Problem::bad_request("a stream is stdout or stderr")),
    }
}

/// A piece on the wire.
pub(super) fn chunk(
    id: RankId,
    stream: Stream,
    offset: u64,
    missing: u64,
    data: Vec<u8>,
) -> v1::LogChunk {
    let stream = match stream {
        Stream::Stdout => v1::Stream::Stdout,
        Stream::Stderr => v1::Stream::Stderr,
    };
    v1::LogChunk {
        index: id.attempt.task.index,
        attempt: id.attempt.number,
        stream: stream.into(),
        offset,
        data,
        truncated: false,
        rank: Some(id.rank),
        missing,
        removed: false,
    }
}

/// Says that the end of a stream, from `offset` on, is not there.
pub(super) fn cut(id: RankId, stream: Stream, offset: u64) -> v1::LogChunk {
    v1::LogChunk { truncated: true, ..chunk(id, stream, offset, 0, Vec::new()) }
}

/// Says that the output of a process was removed.
pub(super) fn removed(id: RankId) -> v1::LogChunk {
    v1::LogChunk { removed: true, ..chunk(id, Stream::Stdout, 0, 0, Vec::new()) }
}
