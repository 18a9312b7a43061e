//! The tables of `output.db`.

use crate::database::Kind;

/// `output.db`; its application id reads `RPWO`.
pub(super) const OUTPUT: Kind = Kind {
    name: "output.db",
    application_id: 0x5250_574F,
    version: 3,
    schema: "
        -- What tasks printed; stream 1 is standard output, 2 standard error. The chunks of a stream follow each other
        -- in order, and before each as many bytes are missing as it says.
        CREATE TABLE chunks (
            id      INTEGER PRIMARY KEY,
            job     INTEGER NOT NULL,
            task    INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            rank    INTEGER NOT NULL DEFAULT 0,
            stream  INTEGER NOT NULL,
            start   INTEGER NOT NULL,
            -- As stored; compressed with DEFLATE if that is shorter than `length`.
            bytes   BLOB NOT NULL,
            -- As printed.
            length  INTEGER NOT NULL,
            missing INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, rank, stream, start);
        -- In the order in which they came: the id is the last column of every index.
        CREATE INDEX chunks_of_job ON chunks (job);
        -- Who printed something.
        CREATE TABLE printers (
            id      INTEGER PRIMARY KEY,
            job     INTEGER NOT NULL,
            task    INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            rank    INTEGER NOT NULL,
            -- As stored.
            bytes   INTEGER NOT NULL,
            -- When it last did, in milliseconds since 1970; -1: not known.
            at_ms   INTEGER NOT NULL,
            -- 0: as it came. 1: compressed, nothing more comes. 2: removed, because it was old or there was too much.
            state   INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE UNIQUE INDEX printers_in_order ON printers (job, task, attempt, rank);
        CREATE INDEX printers_by_age ON printers (state, at_ms);
    ",
    upgrades: &[
        // Until then every task was one process: rank 0.
        "
        ALTER TABLE chunks ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
        DROP INDEX chunks_in_order;
        CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, rank, stream, start);
        ",
        // Until then everything was kept as it came, up to its bound and for ever.
        "
        ALTER TABLE chunks ADD COLUMN length INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE chunks ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
        UPDATE chunks SET length = length(bytes);
        CREATE INDEX chunks_of_job ON chunks (job);
        CREATE TABLE printers (
            id      INTEGER PRIMARY KEY,
            job     INTEGER NOT NULL,
            task    INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            rank    INTEGER NOT NULL,
            bytes   INTEGER NOT NULL,
            at_ms   INTEGER NOT NULL,
            state   INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE UNIQUE INDEX printers_in_order ON printers (job, task, attempt, rank);
        CREATE INDEX printers_by_age ON printers (state, at_ms);
        INSERT INTO printers (job, task, attempt, rank, bytes, at_ms)
            SELECT job, task, attempt, rank, sum(length(bytes)), -1 FROM chunks GROUP BY job, task, attempt, rank;
        ",
    ],
};
