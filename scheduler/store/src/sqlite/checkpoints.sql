
-- What attempts have saved for the next ones.
CREATE TABLE checkpoints (
    job        INTEGER NOT NULL,
    task       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    bytes      INTEGER,
    -- SHA-256 in hex; null if it could not be brought to the store.
    digest     TEXT,
    -- Why not; null if it was.
    problem    TEXT,
    settled_ms INTEGER NOT NULL,
    -- Whether a later attempt may still need it.
    needed     INTEGER NOT NULL,
    PRIMARY KEY (job, task, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoints_by_digest ON checkpoints (digest) WHERE needed;
