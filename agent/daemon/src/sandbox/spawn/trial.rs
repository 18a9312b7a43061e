//! Whether what is in a control group may open a file: a process of its own tries.

use std::ffi::{CStr, c_void};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::process::Pid;

use super::{SHARING, place, reap, stack};
use crate::sandbox::cgroup::Entrance;
use crate::sandbox::raw::{self, CloneArgs};

/// What the process is told, and where it answers.
#[derive(Debug)]
struct Trial<'a> {
    doors: &'a [OwnedFd],
    path: &'a CStr,
    /// How far it has come: [`ENTERED`], [`OPENED`].
    step: AtomicU32,
    errno: AtomicI32,
}

const ENTERED: u32 = 1;
const OPENED: u32 = 2;

/// Whether a process in the group may open a file; false if the kernel does not permit it.
///
/// # Errors
///
/// What else keeps it from that.
pub(in crate::sandbox) fn opens(group: &Entrance, path: &CStr) -> io::Result<bool> {
    let (doors, born) = match group {
        Entrance::Write(doors) => (doors.as_slice(), None),
        Entrance::Born(folder) => (&[][..], Some(folder.as_raw_fd().unsigned_abs())),
    };
    let trial = Trial { doors, path, step: AtomicU32::new(0), errno: AtomicI32::new(0) };
    let mut stack = stack();
    let (stack, stack_size) = place(&mut stack);
    let args = CloneArgs {
        flags: SHARING | born.map_or(0, |_| raw::INTO_CGROUP),
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        stack,
        stack_size,
        cgroup: born.unwrap_or(0).into(),
        ..CloneArgs::default()
    };
    let blocked = raw::block_signals(u64::MAX);
    // SAFETY: signals are blocked, the clone makes this thread wait, and the entry makes system calls only; the trial and
    // the stack outlive this call.
    #[expect(unsafe_code, reason = "only such a clone is born in a control group")]
    let cloned = unsafe { raw::clone3(&args, open, ptr::from_ref(&trial).cast()) };
    raw::block_signals(blocked);
    let pid = cloned.map_err(io::Error::from_raw_os_error)?;
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        reap(pid);
    }
    let (step, errno) = (trial.step.into_inner(), trial.errno.into_inner());
    match (step, errno) {
        (OPENED, _) => Ok(true),
        (ENTERED, libc::EPERM) => Ok(false),
        (_, errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The process: enters, opens, ends.
extern "C" fn open(argument: *const c_void) -> ! {
    // SAFETY: `opens` passes a live one, and waits until this process has ended.
    #[expect(unsafe_code, reason = "the entry of a clone gets a pointer")]
    let trial = unsafe { &*argument.cast::<Trial<'_>>() };
    let mut doors = trial.doors.iter();
    let entered = doors.try_for_each(|door| raw::write(door.as_raw_fd(), b"0").map(drop));
    if entered.is_ok() {
        trial.step.store(ENTERED, Ordering::Release);
    }
    match entered.and_then(|()| raw::open(trial.path, libc::O_RDONLY)) {
        Ok(_) => trial.step.store(OPENED, Ordering::Release),
        Err(errno) => trial.errno.store(errno, Ordering::Release),
    }
    raw::exit(0)
}
