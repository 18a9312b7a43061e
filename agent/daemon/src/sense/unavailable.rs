//! Why a sensor sees nothing on this host.

/// A sensor that this host does not have, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unavailable {
    /// Another processor or C library than the one for which it is written.
    #[error("registers are read on x86-64 with glibc only, and this agent was built for {}-{}", std::env::consts::ARCH, if cfg!(target_env = "musl") { "musl" } else { "other" })]
    Processor,
    /// The kernel does not let this process stop a process of its own.
    #[error(
        "the kernel does not let the agent stop threads: allow ptrace to it (CAP_SYS_PTRACE, kernel.yama.ptrace_scope)"
    )]
    Ptrace,
    /// No process could be started to try it.
    #[error("no process could be started to try it: the agent needs /bin/sh and /bin/cat")]
    Trial,
    /// The same for images.
    #[error("no process could be started to try it: the agent needs /bin/sh and /bin/cat")]
    UntriedImages,
    /// The kernel does not let this process read the memory of others.
    #[error(
        "the kernel does not let the agent read the memory of tasks: allow ptrace to it (CAP_SYS_PTRACE, kernel.yama.ptrace_scope)"
    )]
    Memory,
    /// The agent cannot start a thread of its own.
    #[error("the agent cannot start a thread: raise its limit of tasks (TasksMax, ulimit -u)")]
    Threads,
    /// The network namespace of a task cannot be entered.
    #[error(
        "the network namespace of a task cannot be entered: allow it to the agent (CAP_SYS_ADMIN)"
    )]
    Namespace,
    /// The kernel does not list connections.
    #[error("the kernel does not list connections (CONFIG_INET_DIAG)")]
    Connections,
}

impl Unavailable {
    /// The sensor.
    pub const fn sensor(self) -> &'static str {
        match self {
            Self::Processor | Self::Ptrace | Self::Threads | Self::Trial => "registers",
            Self::Memory | Self::UntriedImages => "images",
            Self::Namespace | Self::Connections => "connections",
        }
    }
}
