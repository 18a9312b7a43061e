//! The table of `output.db`.

use crate::database::Kind;

/// `output.db`; its application id reads `RPWO`.
pub(super) const OUTPUT: Kind = Kind {
    name: "output.db",
    application_id: 0x5250_574F,
    version: 2,
    schema: "
        -- What tasks printed; stream 1 is standard output, 2 standard error. Chunks of a stream meet without a gap.
        CREATE TABLE chunks (
            id      INTEGER PRIMARY KEY,
            job     INTEGER NOT NULL,
            task    INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            rank    INTEGER NOT NULL DEFAULT 0,
            stream  INTEGER NOT NULL,
            start   INTEGER NOT NULL,
            bytes   BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, rank, stream, start);
    ",
    // Until then every task was one process: rank 0.
    upgrades: &["
        ALTER TABLE chunks ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
        DROP INDEX chunks_in_order;
        CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, rank, stream, start);
    "],
};
