//! What sensors see of a task at one moment.

use std::net::SocketAddr;

use super::patterns::Hits;

/// A rounding mode of a floating-point unit, as both control registers of x86 encode it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// To the nearest, ties to even: what every process starts with.
    Nearest,
    /// Towards negative infinity.
    Down,
    /// Towards positive infinity.
    Up,
    /// Towards zero.
    Zero,
}

impl Mode {
    /// Of the two bits of a control register; higher bits are ignored.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }

    /// A bit of its own for each mode.
    pub(super) const fn mask(self) -> u8 {
        match self {
            Self::Nearest => 1,
            Self::Down => 2,
            Self::Up => 4,
            Self::Zero => 8,
        }
    }
}

/// Control registers of one thread that was running when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The process.
    pub process: u32,
    /// The thread.
    pub thread: u32,
    /// The rounding mode in MXCSR.
    pub sse: Mode,
    /// The rounding mode in the x87 control word.
    pub x87: Mode,
}

/// What the images that a process has mapped hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The process.
    pub process: u32,
    /// Which patterns were found in one image.
    pub hits: Hits,
}

/// What is wrong with the file that a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecutableState {
    /// Another digest than was admitted.
    Changed,
    /// Never a file on a disk: an anonymous one in memory.
    InMemory,
    /// Deleted after its start.
    Deleted,
}

/// A process runs a file that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executable {
    /// The process.
    pub process: u32,
    /// What is wrong with the file.
    pub state: ExecutableState,
}

/// A part of a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Its length.
    pub bytes: u64,
    /// Whether no file is behind it.
    pub is_anonymous: bool,
    /// Whether it can be executed.
    pub is_executable: bool,
}

/// A TCP connection of the task, as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// By which the same connection is known again.
    pub socket: u64,
    /// The other end.
    pub remote: SocketAddr,
    /// Whether the class and the job allow it.
    pub is_allowed: bool,
    /// Bytes of data that were sent and acknowledged since it was opened.
    pub sent: u64,
    /// Bytes of data that were received since it was opened.
    pub received: u64,
}

/// What the task has used and done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Bytes read and written, by system calls.
    pub moved: u64,
    /// Bytes of output.
    pub output: u64,
    /// Steps of progress that it reports, if it does.
    pub progress: Option<u64>,
}

/// What a sensor saw of a task at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sample {
    /// Control registers of a running thread.
    Registers(Registers),
    /// Patterns in mapped images.
    Memory(Memory),
    /// A file that should not run.
    Executable(Executable),
    /// The layout of a process's memory: at most [`Sample::AREAS`] areas, the largest first.
    Mappings {
        /// The process.
        process: u32,
        /// Its areas.
        areas: Vec<Area>,
    },
    /// A connection.
    Flow(Flow),
    /// Counters of the whole task.
    Counters(Counters),
    /// The process has made itself unreadable, though the host allows to look.
    Blocked {
        /// The process.
        process: u32,
    },
    /// A busy thread of the process could not be stopped, because somebody of the task's own user traces it.
    Traced {
        /// The process.
        process: u32,
    },
    /// A device for model-specific registers was opened.
    Device {
        /// The process.
        process: u32,
    },
}

impl Sample {
    /// The most areas that a sample of mappings holds.
    pub const AREAS: usize = 64;
}
