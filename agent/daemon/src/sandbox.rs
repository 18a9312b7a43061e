//! What holds a task: limits, namespaces, its own view of the files, filters, its own user.
//!
//! | module | what it does |
//! | --- | --- |
//! | `spawn` | starts a task's first process in a given confinement |
//! | `cgroup` | limits, figures, and the killing of all of a task, by control groups 1 and 2 |
//! | `view` | what a task sees of the files |
//! | `landlock`, `seccomp` | which files and system calls a task may use |
//! | `users` | an unprivileged user for each project |
//!
//! `raw` has the system calls of the time between clone and exec.

#![expect(dead_code, reason = "launching through it is the next change")]

mod abilities;
mod cgroup;
mod host;
mod init;
mod landlock;
mod raw;
mod seccomp;
mod spawn;
mod strings;
mod users;
mod view;

#[cfg(test)]
mod tests;
