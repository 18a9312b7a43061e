
-- What people, or the scheduler, have decided about jobs: each kind once for the same person and the same words.
CREATE TABLE decisions (
    job     INTEGER NOT NULL,
    -- cancelled, approved, denied.
    verdict TEXT NOT NULL,
    by      TEXT NOT NULL,
    reason  TEXT NOT NULL,
    -- When it was first.
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (job, verdict, by, reason)
) STRICT, WITHOUT ROWID;
