//! The first process of a task's own pid namespace: it reaps what the task leaves orphaned, passes
//! signals on to the task, and says how the task ended.
//!
//! A program is seldom written to be process 1: the kernel ignores every signal that such a process
//! does not handle, SIGTERM among them, and nobody else would reap orphans. So this stands in front.
//! It is started with all signals blocked, when process 2, the task, runs already, and with
//! descriptor 3 for the task's wait status. When it ends the kernel kills whatever is left.
//!
//! No libc, no allocation, no standard library: a page of code and a page of stack.
#![no_std]
#![no_main]

mod system;

use system::{EINTR, WNOHANG, call, end, number, pass_on};

/// The task: what its launcher has started before this.
const TASK: isize = 2;

/// Where the task's wait status goes.
const REPORT: isize = 3;

/// Reaps whoever has ended; does not return if the task is among them.
fn reap() {
    loop {
        let mut status = 0_i32;
        let at = &raw mut status as isize;
        let pid = call(number::WAIT4, [-1, at, WNOHANG, 0]);
        if pid == TASK {
            while call(number::WRITE, [REPORT, at, 4, 0]) == EINTR {}
            end(0);
        }
        if pid == EINTR {
            continue;
        }
        if pid < 0 {
            // No children: the task cannot be watched.
            end(1);
        }
        if pid == 0 {
            return;
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn run(_stack: *const usize) -> ! {
    loop {
        reap();
        pass_on(TASK);
    }
}
