//! The journal, its projections and the output of tasks: bytes on disk.
