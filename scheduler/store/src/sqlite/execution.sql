-- What attempts and ranks read and wrote, and how often one of their processes was killed for want of memory.
ALTER TABLE attempts ADD COLUMN read_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN written_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN oom_kills INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ranks ADD COLUMN read_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ranks ADD COLUMN written_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ranks ADD COLUMN oom_kills INTEGER NOT NULL DEFAULT 0;
