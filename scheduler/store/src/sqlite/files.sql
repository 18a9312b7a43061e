
-- Artefacts that jobs are given; what comes from elsewhere is not here.
CREATE TABLE inputs (
    job    INTEGER NOT NULL,
    path   TEXT NOT NULL,
    bytes  INTEGER NOT NULL,
    -- SHA-256 in hex.
    digest TEXT NOT NULL,
    PRIMARY KEY (job, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX inputs_by_digest ON inputs (digest);

-- Artefacts that attempts have brought back; of a plain attempt, the rank is 0.
CREATE TABLE outputs (
    job    INTEGER NOT NULL,
    task   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    rank   INTEGER NOT NULL,
    path   TEXT NOT NULL,
    bytes  INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (job, task, number, rank, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX outputs_by_digest ON outputs (digest);

-- Attempts whose outputs were looked for, and what of them was missing: the empty text if nothing was.
CREATE TABLE collections (
    job     INTEGER NOT NULL,
    task    INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    rank    INTEGER NOT NULL,
    -- One pattern, or one reason, a line.
    missing TEXT NOT NULL,
    PRIMARY KEY (job, task, number, rank)
) STRICT, WITHOUT ROWID;
