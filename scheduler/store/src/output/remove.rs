//! Removing output that is old, or of which there is too much.

use repower_model::{RankId, Timestamp};
use rusqlite::Connection;

use super::Stream;
use super::append::Output;
use super::read::place;
use crate::database::begin;
use crate::fault::{At as _, Fault};

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Of how many processes.
    pub printers: u64,
    /// How many bytes, as stored.
    pub bytes: u64,
}

impl Output {
    /// Removes the output of those who have printed nothing since `since`, in one durable commit; that it was there
    /// is remembered.
    pub fn remove(&mut self, ranks: &[RankId], since: Timestamp) -> Result<Removed, Fault> {
        let transaction = begin(&mut self.connection).at(&self.path)?;
        let mut removed = Removed::default();
        for rank in ranks {
            if let Some(bytes) = one(&transaction, *rank, since).at(&self.path)? {
                removed.printers += 1;
                removed.bytes += bytes;
            }
        }
        transaction.commit().at(&self.path)?;
        Ok(removed)
    }
}

fn one(connection: &Connection, rank: RankId, since: Timestamp) -> rusqlite::Result<Option<u64>> {
    let (job, task, number, rank, _) = place(rank, Stream::Stdout);
    let mut query = connection.prepare_cached(
        "SELECT bytes FROM printers
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND state = 1 AND at_ms < ?5",
    )?;
    let mut rows = query.query((job, task, number, rank, since.as_millis()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let bytes: u64 = row.get(0)?;
    drop(rows);
    let mut delete = connection.prepare_cached(
        "DELETE FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4",
    )?;
    delete.execute((job, task, number, rank))?;
    let mut note = connection.prepare_cached(
        "UPDATE printers SET bytes = 0, state = 2
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4",
    )?;
    note.execute((job, task, number, rank))?;
    Ok(Some(bytes))
}
