-- The ledger. A fact is protobuf; its leaf is SHA-256(0x00 || body), see RFC 6962.

CREATE TABLE facts (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    leaf BLOB NOT NULL
) STRICT;

CREATE TABLE ledger (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    origin       TEXT NOT NULL,
    verifier_key TEXT NOT NULL
) STRICT;

CREATE TABLE newest_head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    size     INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    root     BLOB NOT NULL,
    note     TEXT NOT NULL,
    frontier BLOB NOT NULL
) STRICT;

CREATE TABLE kept_heads (
    size  INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    root  BLOB NOT NULL,
    note  TEXT NOT NULL
) STRICT;

CREATE VIEW heads AS
    SELECT size, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at, lower(hex(root)) AS root, note
    FROM (SELECT size, at_ms, root, note FROM kept_heads UNION SELECT size, at_ms, root, note FROM newest_head);

-- Projections: what the facts say, for lookups. Times are milliseconds since 1970 in UTC; the views below spell them out.

CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    key          BLOB NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    class        TEXT NOT NULL,
    tier         TEXT NOT NULL,
    project      TEXT NOT NULL,
    submitter    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('held', 'pending', 'running', 'succeeded', 'failed', 'cancelled')),
    hold_reason  TEXT,
    exit_code    INTEGER,
    signal       INTEGER,
    tasks        INTEGER NOT NULL,
    succeeded    INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    cancelled    INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    submitted_ms INTEGER NOT NULL,
    started_ms   INTEGER,
    ended_ms     INTEGER,
    policy_hash  TEXT NOT NULL,
    spec         BLOB NOT NULL
) STRICT;

CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE attempts (
    job               INTEGER NOT NULL,
    task              INTEGER NOT NULL,
    number            INTEGER NOT NULL,
    node_id           INTEGER NOT NULL,
    node              TEXT NOT NULL,
    placed_ms         INTEGER NOT NULL,
    started_ms        INTEGER,
    ended_ms          INTEGER,
    outcome           TEXT,
    exit_code         INTEGER,
    signal            INTEGER,
    -- Whose fault the end was: none, user or system.
    fault             TEXT,
    -- What became of the task: succeeded, failed, cancelled or again.
    sequel            TEXT,
    wall_us           INTEGER,
    cpu_us            INTEGER,
    peak_memory_bytes INTEGER,
    stdout_bytes      INTEGER,
    stderr_bytes      INTEGER,
    truncated         INTEGER,
    detail            TEXT,
    PRIMARY KEY (job, task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    phase        TEXT NOT NULL,
    cpus_milli   INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    isa          TEXT NOT NULL,
    kernel       TEXT NOT NULL,
    version      TEXT NOT NULL,
    since_ms     INTEGER NOT NULL,
    reason       TEXT
) STRICT;

CREATE VIEW job_history AS
    SELECT id, name, class, tier, project, submitter, state, hold_reason, exit_code, signal,
           tasks, succeeded, failed, cancelled,
           -- Where it ran: at most eight names.
           (SELECT group_concat(node, ' ') FROM (SELECT DISTINCT node FROM attempts WHERE job = jobs.id LIMIT 8)) AS nodes,
           strftime('%Y-%m-%dT%H:%M:%fZ', submitted_ms / 1000.0, 'unixepoch') AS submitted,
           strftime('%Y-%m-%dT%H:%M:%fZ', started_ms / 1000.0, 'unixepoch') AS started,
           strftime('%Y-%m-%dT%H:%M:%fZ', ended_ms / 1000.0, 'unixepoch') AS ended,
           (ended_ms - started_ms) / 1000.0 AS seconds
    FROM jobs;

CREATE VIEW ended_jobs AS
    SELECT * FROM job_history WHERE ended IS NOT NULL;

CREATE VIEW attempt_history AS
    SELECT attempts.job || '.' || task || '#' || number AS attempt, jobs.name AS name, jobs.class AS class, node,
           coalesce(outcome, 'running') AS outcome, attempts.exit_code AS exit_code, attempts.signal AS signal,
           fault, sequel,
           strftime('%Y-%m-%dT%H:%M:%fZ', placed_ms / 1000.0, 'unixepoch') AS placed,
           strftime('%Y-%m-%dT%H:%M:%fZ', attempts.started_ms / 1000.0, 'unixepoch') AS started,
           strftime('%Y-%m-%dT%H:%M:%fZ', attempts.ended_ms / 1000.0, 'unixepoch') AS ended,
           wall_us / 1e6 AS wall_seconds, cpu_us / 1e6 AS cpu_seconds, peak_memory_bytes, stdout_bytes, stderr_bytes,
           truncated, detail, attempts.job AS job, task, number
    FROM attempts LEFT JOIN jobs ON jobs.id = attempts.job;
