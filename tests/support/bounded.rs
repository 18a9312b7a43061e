//! Commands that must come to an end.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far above what any command needs: who reaches it hangs.
pub(crate) const LONGEST: Duration = Duration::from_mins(2);

/// More looks than anything needs that comes at all.
const LOOKS: usize = 3_000_000;

/// Waits until something is so that nothing tells of.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if is_so() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never is so that {what}");
}

/// Runs a command to its end, with nothing to read.
pub(crate) fn output(command: &mut Command) -> Output {
    output_with(command, b"")
}

/// Runs a command to its end, with something to read.
///
/// A program that is not installed is a failure that says what to do.
pub(crate) fn output_with(command: &mut Command, input: &[u8]) -> Output {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{shown}: {error}\nhint: tests/run installs the programs that the tests need")
    });
    let id = Pid::from_child(&child);
    let mut stdin = child.stdin.take().expect("it was asked for");
    let input = input.to_vec();
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        // Who does not read all of its input has its reasons.
        drop(stdin.write_all(&input));
        drop(stdin);
        drop(tell.send(child.wait_with_output()));
    });
    if let Ok(output) = told.recv_timeout(LONGEST) {
        return output.expect("its output can be read");
    }
    kill_process(id, Signal::KILL).ok();
    panic!("{shown} did not end within {} s", LONGEST.as_secs());
}
