//! Appending: one transaction, durable when it returns, undone when it fails.

use repower_model::Timestamp;
use rusqlite::Connection;

use super::{Journal, project};
use crate::checkpoint::Checkpoint;
use crate::database::begin;
use crate::fault::At as _;
use crate::journal::{AppendError, Entry, Head, in_order, is_kept};
use crate::merkle::{self, Frontier};
use crate::rows::Row;
use crate::sql::int;

pub(super) fn append(
    journal: &mut Journal,
    entries: &[Entry],
    rows: &[Row],
    now: Timestamp,
) -> Result<Head, AppendError> {
    if entries.is_empty() && rows.is_empty() {
        return Ok(journal.head);
    }
    in_order(journal.head.size, entries)?;
    let path = &journal.path;
    let mut frontier = journal.frontier.clone();
    let transaction = begin(&mut journal.connection).at(path)?;
    insert(&transaction, entries, &mut frontier).at(path)?;
    project::rows(&transaction, rows).at(path)?;
    if entries.is_empty() {
        transaction.commit().at(path)?;
        return Ok(journal.head);
    }
    let head = Head { size: frontier.size(), root: frontier.root(), at: now };
    let origin = journal.key.verifier().name().to_owned();
    let checkpoint =
        Checkpoint { origin, size: head.size, root: head.root, extensions: Vec::new() };
    let note = checkpoint.sign(&journal.key).map_err(AppendError::Head)?;
    let is_kept = is_kept(&head, journal.last_kept.as_ref());
    write_head(&transaction, &head, &note, &frontier, is_kept).at(path)?;
    transaction.commit().at(path)?;
    // From here on nothing can fail: what is in memory follows what is on the disk.
    journal.frontier = frontier;
    journal.head = head;
    if is_kept {
        journal.last_kept = Some(head);
    }
    Ok(head)
}

fn insert(
    connection: &Connection,
    entries: &[Entry],
    frontier: &mut Frontier,
) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO facts (seq, body, leaf) VALUES (?1, ?2, ?3)")?;
    for entry in entries {
        let leaf = merkle::leaf(&entry.body);
        frontier.push(leaf);
        insert.execute((int(entry.seq), &entry.body, leaf))?;
    }
    Ok(())
}

fn write_head(
    connection: &Connection,
    head: &Head,
    note: &str,
    frontier: &Frontier,
    is_kept: bool,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO newest_head (id, size, at_ms, root, note, frontier) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET size = excluded.size, at_ms = excluded.at_ms, root = excluded.root,
                 note = excluded.note, frontier = excluded.frontier",
        )?
        .execute((int(head.size), head.at.as_millis(), head.root, note, frontier.to_bytes()))?;
    if is_kept {
        connection
            .prepare_cached(
                "INSERT INTO kept_heads (size, at_ms, root, note) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((int(head.size), head.at.as_millis(), head.root, note))?;
    }
    Ok(())
}
