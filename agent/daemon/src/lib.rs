//! The agent's daemon: the link, the tasks, the probes.
