//! The table of `output.db`.

use crate::database::Kind;

/// `output.db`; its application id reads `RPWO`.
pub(super) const OUTPUT: Kind = Kind {
    name: "output.db",
    application_id: 0x5250_574F,
    version: 1,
    schema: "
        -- What tasks printed; stream 1 is standard output, 2 standard error. Chunks of a stream meet without a gap.
        CREATE TABLE chunks (
            id      INTEGER PRIMARY KEY,
            job     INTEGER NOT NULL,
            task    INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            stream  INTEGER NOT NULL,
            start   INTEGER NOT NULL,
            bytes   BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, stream, start);
    ",
};
