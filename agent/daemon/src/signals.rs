//! Signals, counted.
//!
//! They are neither ignored nor blocked: what a process ignores or blocks its children do, too, and
//! tasks have to end when they are asked to.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where they are counted; -1: nowhere.
static COUNTER: AtomicI32 = AtomicI32::new(-1);

/// From now on SIGHUP, SIGINT and SIGTERM do nothing but add one to `counter`, an event descriptor,
/// which has to stay open for the life of the process.
pub(crate) fn count(counter: &OwnedFd) -> io::Result<()> {
    COUNTER.store(counter.as_raw_fd(), Ordering::SeqCst);
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        install(signal)?;
    }
    Ok(())
}

fn install(signal: i32) -> io::Result<()> {
    // SAFETY: an all-zero `sigaction` is a valid value of this plain C struct.
    #[expect(unsafe_code, reason = "plain C struct, all of whose bit patterns are valid")]
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = take as extern "C" fn(i32) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does only what a handler may, and both pointers are valid or null.
    #[expect(unsafe_code, reason = "no safe call installs a handler of one's own")]
    let installed = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if installed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs in the middle of anything: an atomic read and one system call, and `errno` as it was.
extern "C" fn take(_signal: i32) {
    let one = 1_u64.to_ne_bytes();
    let counter = COUNTER.load(Ordering::SeqCst);
    // SAFETY: write(2) may be called in a handler; the pointer is to eight live bytes; `errno` is this
    // thread's own.
    #[expect(unsafe_code, reason = "in a handler only raw system calls are allowed")]
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(counter, one.as_ptr().cast(), one.len());
        *errno = before;
    }
}
