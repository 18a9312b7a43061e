//! The requests to the kernel.

use std::io;
use std::time::Duration;

use repower_agent_core::detect::Mode;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::clock;

/// This build has the sensor.
pub(super) const IS_AVAILABLE: bool = true;

/// What the kernel has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sense) enum Traced {
    /// The rounding modes, and how long the thread stood still.
    Registers { sse: Mode, x87: Mode, cost: Duration },
    /// There is no such thread.
    Gone,
    /// Not allowed.
    Refused,
}

impl Traced {
    /// Whether the registers were read.
    pub(in crate::sense) fn is_read(self) -> bool {
        matches!(self, Self::Registers { .. })
    }
}

/// Where MXCSR has its rounding mode (Intel SDM volume 1, 10.2.3).
const SSE_SHIFT: u32 = 13;

/// Where the x87 control word has its rounding mode (Intel SDM volume 1, 8.1.5).
const X87_SHIFT: u32 = 10;

/// Waits for threads of any kind, also those that are no children.
const ALL_KINDS: WaitOptions = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());

/// Stops `thread`, reads its registers, and lets it go on.
pub(super) fn read(thread: u32) -> Traced {
    let Some(pid) = i32::try_from(thread).ok().and_then(Pid::from_raw) else {
        return Traced::Gone;
    };
    if let Err(error) = request(libc::PTRACE_SEIZE, pid, 0) {
        return match error.raw_os_error() {
            Some(libc::EPERM) => Traced::Refused,
            _ => Traced::Gone,
        };
    }
    let begun = (clock::uptime(), scheduled(thread));
    if request(libc::PTRACE_INTERRUPT, pid, 0).is_err() {
        return Traced::Gone;
    }
    let status = loop {
        match waitpid(Some(pid), ALL_KINDS) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Traced::Gone,
        }
    };
    let Some(signal) = status.stopping_signal() else { return Traced::Gone };
    let registers = registers(pid);
    let ran = scheduled(thread);
    // An event of the trace itself, or a stop of the whole process, which stays: nothing to hand on.
    // Anything else is a signal that came first and is still to be delivered.
    let is_event = status.as_raw() >> 16 != 0;
    let handed_on = if is_event { 0 } else { signal };
    if let Err(error) = request(libc::PTRACE_DETACH, pid, handed_on) {
        // It was killed meanwhile: its end has still to be taken, for its parent to learn of it.
        tracing::debug!(thread, %error, "a thread ended while it was read");
        let _ = waitpid(Some(pid), ALL_KINDS);
        return Traced::Gone;
    }
    let waited = clock::uptime().saturating_sub(begun.0);
    // Until it stopped it ran, or waited for its turn as it would have anyway.
    let cost = waited.saturating_sub(ran.saturating_sub(begun.1));
    registers.map_or(Traced::Gone, |registers| Traced::Registers {
        sse: Mode::from_bits(registers.mxcsr >> SSE_SHIFT),
        x87: Mode::from_bits(u32::from(registers.cwd) >> X87_SHIFT),
        cost,
    })
}

/// Whether a thread waits for a child that it has given its memory to (`vfork`): nothing but its end interrupts that.
pub(super) fn waits_for_child(thread: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
    let call = text.split_ascii_whitespace().next().and_then(|word| word.parse::<i64>().ok());
    call.is_some_and(|call| [libc::SYS_vfork, libc::SYS_clone, libc::SYS_clone3].contains(&call))
}

/// How long a thread has run and waited for its turn, as the scheduler counts; zero if it does not.
fn scheduled(thread: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap_or_default();
    let parts = text.split_ascii_whitespace().take(2);
    Duration::from_nanos(parts.filter_map(|part| part.parse::<u64>().ok()).sum())
}

#[expect(unsafe_code, reason = "ptrace has no safe form for signals of any number")]
fn request(request: libc::c_uint, pid: Pid, data: i32) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    let data = std::ptr::without_provenance_mut::<libc::c_void>(data.cast_unsigned() as usize);
    // SAFETY: these three requests read and write no memory of this process; the address is ignored
    // and the data is a signal number or zero.
    let result = unsafe { libc::ptrace(request, pid.as_raw_nonzero().get(), none, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "ptrace writes registers into memory of this process")]
fn registers(pid: Pid) -> Option<libc::user_fpregs_struct> {
    let mut registers = std::mem::MaybeUninit::<libc::user_fpregs_struct>::zeroed();
    let mut place = libc::iovec {
        iov_base: registers.as_mut_ptr().cast(),
        iov_len: size_of::<libc::user_fpregs_struct>(),
    };
    let set = std::ptr::without_provenance_mut::<libc::c_void>(libc::NT_PRFPREG as usize);
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which is that large and lives
    // until the call is over; all bytes were zero before, which is a value of the structure.
    let (result, registers) = unsafe {
        let pid = pid.as_raw_nonzero().get();
        let result = libc::ptrace(libc::PTRACE_GETREGSET, pid, set, &raw mut place);
        (result, registers.assume_init())
    };
    let is_whole = place.iov_len == size_of::<libc::user_fpregs_struct>();
    (result != -1 && is_whole).then_some(registers)
}
