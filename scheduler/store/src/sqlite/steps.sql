-- Signals that ended processes which were stopped; of a plain attempt, the rank is 0.
CREATE TABLE stop_steps (
    job      INTEGER NOT NULL,
    task     INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    rank     INTEGER NOT NULL,
    -- 0 checkpoint, 1 terminate, 2 kill: in their order.
    step     INTEGER NOT NULL,
    -- cancelled, preempted, drained, time-limit, lease-lost, leaving, checkpointed.
    cause    TEXT NOT NULL,
    signal   INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (job, task, number, rank, step)
) STRICT, WITHOUT ROWID;
