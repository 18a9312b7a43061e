//! Keeps the processes of a group of version 2 from devices: by a small program in the kernel, because there are no files
//! for that.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;
use crate::sandbox::devices::Number;
use crate::sandbox::raw;

/// The programs that are in the kernel.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// That of the last group: most tasks have no GPU, and so share one.
    last: Mutex<Option<(Vec<Number>, Arc<OwnedFd>)>>,
}

impl Gate {
    /// Denies the processes of a group these devices, for as long as the group is there.
    pub(super) fn close(&self, denied: &[Number], group: BorrowedFd<'_>) -> Result<(), Error> {
        let failed = |verb| {
            move |errno| Error::Program { verb, source: std::io::Error::from_raw_os_error(errno) }
        };
        let program = self.program(denied).map_err(failed("loaded"))?;
        raw::attach_device_program(program.as_fd(), group).map_err(failed("attached"))
    }

    fn program(&self, denied: &[Number]) -> Result<Arc<OwnedFd>, raw::Errno> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, program)) = last.as_ref().filter(|(known, _)| known == denied) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(raw::load_device_program(&assemble(denied)?)?);
        *last = Some((denied.to_vec(), Arc::clone(&program)));
        Ok(program)
    }
}

/// The registers that are used: what it answers, what it is told, and three of its own.
mod register {
    pub(super) const ANSWER: u8 = 0;
    pub(super) const TOLD: u8 = 1;
    pub(super) const KIND: u8 = 2;
    pub(super) const MAJOR: u8 = 3;
    pub(super) const MINOR: u8 = 4;
}

/// What a program is told: the kind of the device below the access that is wanted, and its two numbers.
mod told {
    pub(super) const KIND: i16 = 0;
    pub(super) const MAJOR: i16 = 4;
    pub(super) const MINOR: i16 = 8;
    /// Of the kind.
    pub(super) const MASK: i32 = 0xFFFF;
    pub(super) const CHARACTER: i32 = 2;
}

/// Codes of instructions.
mod code {
    /// A register becomes four bytes at another one and an offset.
    pub(super) const LOAD: u8 = 0x61;
    /// Only these bits of the lower half are kept.
    pub(super) const AND: u8 = 0x54;
    /// So many instructions are passed over if it is this.
    pub(super) const IF_EQUAL: u8 = 0x15;
    pub(super) const IF_OTHER: u8 = 0x55;
    pub(super) const BECOMES: u8 = 0xB7;
    pub(super) const EXIT: u8 = 0x95;
}

/// One instruction, as both kinds of processors that tasks are launched on lay it out.
fn step(code: u8, (to, from): (u8, u8), offset: i16, value: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([code, to | from << 4, low, high, a, b, c, d])
}

/// A program that says no to these, and yes to all others.
///
/// # Errors
///
/// That there are more than one program can tell apart.
fn assemble(denied: &[Number]) -> Result<Vec<u64>, raw::Errno> {
    use register::{ANSWER, KIND, MAJOR, MINOR, TOLD};
    let value = |number: u32| i32::try_from(number).map_err(|_| libc::EINVAL);
    let load = |to, offset| step(code::LOAD, (to, TOLD), offset, 0);
    let answer =
        |yes: i32| [step(code::BECOMES, (ANSWER, 0), 0, yes), step(code::EXIT, (0, 0), 0, 0)];
    // How far it is from behind an instruction to those that say no: behind all tests, and those that say yes.
    let no = |left: usize| i16::try_from(2 * left + 2).map_err(|_| libc::E2BIG);
    let count = denied.len();
    let to_yes = i16::try_from(2 * count + 2).map_err(|_| libc::E2BIG)?;
    let mut program = vec![
        load(KIND, told::KIND),
        step(code::AND, (KIND, 0), 0, told::MASK),
        step(code::IF_OTHER, (KIND, 0), to_yes, told::CHARACTER),
        load(MAJOR, told::MAJOR),
        load(MINOR, told::MINOR),
    ];
    for (left, number) in (0..count).rev().zip(denied) {
        program.push(step(code::IF_OTHER, (MAJOR, 0), 1, value(number.major)?));
        program.push(step(code::IF_EQUAL, (MINOR, 0), no(left)?, value(number.minor)?));
    }
    program.extend(answer(1));
    program.extend(answer(0));
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would: these instructions, and no others.
    fn run(program: &[u64], told: [u32; 3]) -> u64 {
        let (mut registers, mut next) = ([0_u64; 11], 0_usize);
        for _ in 0..=program.len() {
            let [code, pair, low, high, a, b, c, d] = program[next].to_le_bytes();
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let offset = usize::try_from(i16::from_le_bytes([low, high])).unwrap();
            let value = u64::from(i32::from_le_bytes([a, b, c, d]).unsigned_abs());
            next += 1;
            match code {
                code::LOAD => {
                    assert_eq!(from, usize::from(register::TOLD));
                    registers[to] = told[offset / 4].into();
                }
                code::AND => registers[to] &= value,
                code::IF_EQUAL if registers[to] == value => next += offset,
                code::IF_OTHER if registers[to] != value => next += offset,
                code::IF_EQUAL | code::IF_OTHER => {}
                code::BECOMES => registers[to] = value,
                code::EXIT => return registers[0],
                other => panic!("no such instruction: {other:#x}"),
            }
        }
        panic!("it does not end");
    }

    /// Opened for reading and writing.
    fn may(denied: &[(u32, u32)], kind: u32, major: u32, minor: u32) -> bool {
        let number = |(major, minor): &(u32, u32)| Number { major: *major, minor: *minor };
        let denied: Vec<Number> = denied.iter().map(number).collect();
        run(&assemble(&denied).unwrap(), [6 << 16 | kind, major, minor]) == 1
    }

    #[test]
    fn what_is_denied_and_nothing_else_is_answered_with_no() {
        let denied = [(195, 0), (195, 1), (195, 255), (226, 128)];

        for (major, minor) in denied {
            assert!(!may(&denied, 2, major, minor), "{major}:{minor}");
            assert!(may(&denied, 1, major, minor), "a disk of this number is none of them");
        }
        for (major, minor) in [(195, 2), (226, 0), (1, 3), (226, 255), (0, 0)] {
            assert!(may(&denied, 2, major, minor), "{major}:{minor}");
        }
        assert!(may(&[], 2, 195, 0));
    }

    #[test]
    fn more_than_a_program_can_tell_apart_is_an_error_and_no_other_program() {
        let many = |count| (0..count).map(|minor| Number { major: 195, minor }).collect::<Vec<_>>();

        assert!(assemble(&many(16_000)).is_ok());
        assert_eq!(assemble(&many(17_000)), Err(libc::E2BIG));
    }

    #[test]
    fn an_instruction_is_laid_out_as_the_kernel_reads_it() {
        // From `bpftool prog dump xlated`: a register becomes 1, and the end.
        assert_eq!(step(code::BECOMES, (0, 0), 0, 1).to_le_bytes(), [0xB7, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(step(code::LOAD, (2, 1), 4, 0).to_le_bytes(), [0x61, 0x12, 4, 0, 0, 0, 0, 0]);
    }
}
