//! The end of a process, and what it used.

use std::io;

use repower_agent_core::Status;
use rustix::process::Pid;

/// How a process ended and what the kernel counted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reaped {
    pub(super) status: Status,
    /// User and system time, in microseconds.
    pub(super) cpu_us: u64,
    /// In bytes.
    pub(super) peak_memory: u64,
    /// Read from and written to block devices, in bytes.
    pub(super) read: u64,
    pub(super) written: u64,
}

impl Reaped {
    /// Of a process that somebody else has reaped.
    pub(super) const UNKNOWN: Self =
        Self { status: Status::Unknown, cpu_us: 0, peak_memory: 0, read: 0, written: 0 };
}

/// Reaps a process that has ended; `None` if it has not.
pub(super) fn reap(pid: Pid) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: an all-zero `rusage` is a valid value of this plain C struct.
    #[expect(unsafe_code, reason = "plain C struct, all of whose bit patterns are valid")]
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of the types that wait4 writes.
    #[expect(unsafe_code, reason = "no safe wait returns what the process used")]
    let reaped = unsafe {
        libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, libc::WNOHANG, &raw mut usage)
    };
    match reaped {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(Reaped {
            status: meaning(status),
            cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
            peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
            // Counted in sectors, whatever the disk has.
            read: u64::try_from(usage.ru_inblock).unwrap_or(0) * 512,
            written: u64::try_from(usage.ru_oublock).unwrap_or(0) * 512,
        })),
    }
}

/// What a wait status means.
pub(super) fn meaning(status: i32) -> Status {
    if libc::WIFSIGNALED(status) {
        Status::Signal(libc::WTERMSIG(status))
    } else {
        Status::Code(libc::WEXITSTATUS(status))
    }
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0)
}
