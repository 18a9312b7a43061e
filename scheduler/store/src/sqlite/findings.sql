
-- Evidence that a job is not what it declares, and what people have made of it.
CREATE TABLE findings (
    id            INTEGER PRIMARY KEY,
    -- open, under-review, confirmed, dismissed, appealed or lapsed.
    state         TEXT NOT NULL,
    -- Who has noticed it: task or admission.
    source        TEXT NOT NULL,
    opened_ms     INTEGER NOT NULL,
    job           INTEGER,
    task          INTEGER,
    number        INTEGER,
    rank          INTEGER,
    node          TEXT NOT NULL,
    -- Empty: not known.
    site          TEXT NOT NULL,
    meter         TEXT NOT NULL,
    class         TEXT NOT NULL,
    project       TEXT NOT NULL,
    submitter     TEXT NOT NULL,
    -- Codes, with a comma between them.
    rules         TEXT NOT NULL,
    -- What is done about it: none, ask, hold, freeze or kill.
    response      TEXT NOT NULL,
    holds_outputs INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    -- Who decided last, when and why.
    decided_ms    INTEGER,
    decided_by    TEXT,
    reason        TEXT,
    -- All of it, as protobuf.
    body          BLOB NOT NULL
) STRICT;
CREATE INDEX findings_by_job ON findings (job, id);
CREATE INDEX findings_by_state ON findings (state, id);

-- Bundles of evidence in the store of artefacts, by SHA-256 in hex.
CREATE TABLE evidence (
    finding INTEGER NOT NULL,
    digest  TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (finding, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_by_digest ON evidence (digest);
