
-- The ranks of gangs: the processes of one attempt, each on its node. Plain attempts have none here.
CREATE TABLE ranks (
    job               INTEGER NOT NULL,
    task              INTEGER NOT NULL,
    number            INTEGER NOT NULL,
    rank              INTEGER NOT NULL,
    node_id           INTEGER NOT NULL,
    node              TEXT NOT NULL,
    started_ms        INTEGER,
    ended_ms          INTEGER,
    outcome           TEXT,
    exit_code         INTEGER,
    signal            INTEGER,
    wall_us           INTEGER,
    cpu_us            INTEGER,
    peak_memory_bytes INTEGER,
    stdout_bytes      INTEGER,
    stderr_bytes      INTEGER,
    truncated         INTEGER,
    detail            TEXT,
    PRIMARY KEY (job, task, number, rank)
) STRICT, WITHOUT ROWID;
