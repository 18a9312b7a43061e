
-- What processes said last of their progress, before their end. Claims: nobody has checked them. Of a plain attempt, the rank is 0.
CREATE TABLE claims (
    job        INTEGER NOT NULL,
    task       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    rank       INTEGER NOT NULL,
    -- Millionths of its work; null if it did not say.
    done_ppm   INTEGER,
    -- What was counted, how many, and of how many; null if it did not say.
    unit       TEXT,
    value      INTEGER,
    total      INTEGER,
    -- By the clock of the node.
    said_ms    INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    first_ppm  INTEGER,
    first_ms   INTEGER,
    lines      INTEGER NOT NULL,
    bad_lines  INTEGER NOT NULL,
    -- What was wrong with the latest bad line.
    mistake    TEXT NOT NULL,
    PRIMARY KEY (job, task, number, rank)
) STRICT, WITHOUT ROWID;
