//! Processes as programs usually start them, to compare the launcher with: by copying this one, or by borrowing its
//! memory.

use std::ffi::c_void;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr;

use rustix::process::Pid;

use super::super::raw::{self, CloneArgs};
use super::super::spawn::Program;

/// How large the stack is on which a new process takes its few steps.
const STACK: usize = 64 << 10;

/// How a process comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// With a copy of this one's memory, as `fork` does it.
    Copied,
    /// In this one's memory, while this one waits, as `vfork` does it.
    Borrowed,
}

/// What the new process is told.
struct Told<'a> {
    program: Program<'a>,
}

impl Plain {
    /// Starts a program in a session of its own.
    pub(super) fn start(self, program: Program<'_>) -> io::Result<Pid> {
        let told = Told { program };
        let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
        let args = CloneArgs {
            flags: match self {
                Self::Copied => 0,
                Self::Borrowed => u64::from((libc::CLONE_VM | libc::CLONE_VFORK).cast_unsigned()),
            },
            exit_signal: libc::SIGCHLD.unsigned_abs().into(),
            stack: stack.as_mut_ptr().expose_provenance() as u64,
            stack_size: STACK as u64,
            ..CloneArgs::default()
        };
        let blocked = raw::block_signals(u64::MAX);
        // SAFETY: signals are blocked, and the entry makes system calls only. It has a copy of all that it is told, or this
        // thread waits until it needs none of it any more.
        #[expect(unsafe_code, reason = "it is measured what others do")]
        let cloned = unsafe { raw::clone3(&args, become_program, ptr::from_ref(&told).cast()) };
        raw::block_signals(blocked);
        let pid = cloned.map_err(io::Error::from_raw_os_error)?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok(pid.expect("the kernel numbers processes from 1 to 2^22"))
    }
}

/// What a new process does until it is the program.
extern "C" fn become_program(told: *const c_void) -> ! {
    // SAFETY: `start` passes a live one, which is this process's own by now, or waits until it is needed no more.
    #[expect(unsafe_code, reason = "the entry of a clone gets a pointer")]
    let Told { program } = unsafe { &*told.cast::<Told<'_>>() };
    let ready = (0..)
        .zip(program.streams)
        .try_for_each(|(number, stream)| raw::dup_to(stream.as_raw_fd(), number));
    if ready.is_ok() && raw::setsid().is_ok() {
        raw::block_signals(0);
        raw::exec(program.path, program.arguments, program.environment);
    }
    raw::exit(127)
}
