//! What a debugger does, and what a loader does.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Traces a process, and stops it if it should.
pub(super) fn trace(process: i32, stop: bool) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, process)?;
    if stop {
        request(libc::PTRACE_INTERRUPT, process)?;
        let all = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());
        waitpid(Pid::from_raw(process), all)?;
    }
    Ok(())
}

/// Starts a process that traces this one for as long as it lives, and lets it run.
pub(super) fn own() -> io::Result<()> {
    use std::io::Read as _;
    let mut tracer = std::process::Command::new(std::env::current_exe()?);
    tracer.args(["trace", &std::process::id().to_string()]);
    let mut tracer = tracer.stdout(std::process::Stdio::piped()).spawn()?;
    // It says when it is ready.
    let mut said = [0];
    tracer.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?.read_exact(&mut said)
}

#[expect(unsafe_code, reason = "ptrace has no safe form")]
fn request(request: libc::c_uint, process: i32) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: both requests ignore address and data here, and touch no memory of this process.
    match unsafe { libc::ptrace(request, process, none, none) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Maps a file readable and executable, for as long as the process lives.
#[expect(unsafe_code, reason = "a mapping has no safe form")]
pub(super) fn map(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let rights = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses the place, and nothing here ever reads or calls it.
    unsafe { mmap(std::ptr::null_mut(), length, rights, MapFlags::PRIVATE, &file, 0)? };
    Ok(())
}
