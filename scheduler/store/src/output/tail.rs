//! The last lines of a stream.

use repower_model::RankId;
use rusqlite::Connection;

use super::Stream;
use super::append::length;
use super::pack::unpack;
use super::read::place;

/// Returns where the last `lines` lines begin, or the last `max_bytes` bytes, whichever is later. What follows the
/// last end of a line is a line, too.
pub(super) fn tail(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
    lines: u64,
    max_bytes: u64,
) -> rusqlite::Result<u64> {
    let end = length(connection, rank, stream)?;
    if lines == 0 {
        return Ok(end);
    }
    let mut query = connection.prepare_cached(
        "SELECT start, bytes, length FROM chunks
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5 ORDER BY start DESC",
    )?;
    let mut rows = query.query(place(rank, stream))?;
    let (mut seen, mut first, mut looked) = (0, end, 0_u64);
    while let Some(row) = rows.next()? {
        let (start, length): (u64, u64) = (row.get(0)?, row.get(2)?);
        let bytes = unpack(row.get_ref(1)?.as_blob()?, length)?;
        let mut place = start + bytes.len() as u64;
        for byte in bytes.iter().rev() {
            place -= 1;
            // The end of the last line ends it; each further one is the end of the line before.
            if *byte == b'\n' && place + 1 < end {
                seen += 1;
                if seen == lines {
                    return Ok(place + 1);
                }
            }
            looked += 1;
            if looked > max_bytes {
                return Ok(first);
            }
            first = place;
        }
    }
    Ok(first)
}
