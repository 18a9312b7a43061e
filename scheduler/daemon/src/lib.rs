//! The scheduler's daemon: the loop that owns the engine, and its services.
