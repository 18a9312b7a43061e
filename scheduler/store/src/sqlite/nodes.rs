//! The table `nodes`.

use repower_model::NodeId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::rows::NodeRow;
use crate::sql::{Columns, int};

pub(super) fn write(connection: &Connection, node: &NodeRow) -> rusqlite::Result<()> {
    connection.prepare_cached(WRITE)?.execute(params![
        node.id.0,
        node.name,
        node.phase,
        int(node.cpus_milli),
        int(node.memory_bytes),
        node.isa,
        node.kernel,
        node.version,
        node.since.as_millis(),
        node.reason,
    ])?;
    Ok(())
}

pub(super) fn by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<NodeRow>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE name = ?1"))?
        .query_row([name], row)
        .optional()
}

pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<NodeRow>> {
    connection.prepare_cached(&format!("{SELECT} ORDER BY name"))?.query_map([], row)?.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<NodeRow> {
    let mut column = Columns::of(row);
    Ok(NodeRow {
        id: NodeId(column.next()?),
        name: column.next()?,
        phase: column.next()?,
        cpus_milli: column.next()?,
        memory_bytes: column.next()?,
        isa: column.next()?,
        kernel: column.next()?,
        version: column.next()?,
        since: column.time()?,
        reason: column.next()?,
    })
}

const SELECT: &str = "SELECT id, name, phase, cpus_milli, memory_bytes, isa, kernel, version, since_ms, reason FROM nodes";

const WRITE: &str = "
    INSERT INTO nodes (id, name, phase, cpus_milli, memory_bytes, isa, kernel, version, since_ms, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, phase = excluded.phase, cpus_milli = excluded.cpus_milli,
        memory_bytes = excluded.memory_bytes, isa = excluded.isa, kernel = excluded.kernel, version = excluded.version,
        since_ms = excluded.since_ms, reason = excluded.reason";
