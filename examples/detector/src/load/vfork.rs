//! What waits so that nothing interrupts it.

use std::io;

use super::{Work, work};

/// Waits for a child that has no end. Unlike after `vfork` itself, the child has memory of its own.
#[expect(unsafe_code, reason = "no safe call starts a child that is waited for like that")]
pub(super) fn wait() -> io::Result<()> {
    let flags = libc::c_long::from(libc::CLONE_VFORK | libc::SIGCHLD);
    // SAFETY: the numbers alone: neither memory nor a stack is shared, as with `fork`, and this process has one thread.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            work(&|| Work::Integers.step(), 100, None);
            Ok(())
        }
        _ => Ok(()),
    }
}
