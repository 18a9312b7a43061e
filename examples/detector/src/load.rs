//! Loads: each does one step of its work when called, and keeps what it needs in itself.

mod arithmetic;
mod flows;
mod hashes;
mod honest;
mod modes;
mod relay;
mod trace;
mod vfork;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::clock;

pub use flows::{Conversation, Server};

/// What a process computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Product of two matrices.
    MatrixProduct,
    /// Fast Fourier transform.
    Fourier,
    /// Stochastic gradient descent of a small network.
    Descent,
    /// Molecular dynamics.
    Molecules,
    /// Monte-Carlo integration.
    MonteCarlo,
    /// SHA-256 of blocks of data.
    Sha256,
    /// Argon2id, as for passwords.
    Argon2,
    /// Linear congruential generator, integers only.
    Integers,
    /// Interval arithmetic by `fesetround`, up and down.
    Intervals,
    /// Rounding down by `fesetround`.
    FloorByMode,
    /// All four modes by `fesetround`, as the tests of a mathematical library do.
    FourModes,
    /// Interval arithmetic by MXCSR alone, up, down and nearest: honest, and of the shape that is
    /// looked for.
    IntervalsByMxcsr,
    /// Changes MXCSR as RandomX does, beside double arithmetic on a scratchpad. Hashes nothing.
    StandIn,
}

/// One step of work.
pub type Step = Box<dyn FnMut() -> f64>;

impl Work {
    /// What does it.
    pub fn step(self) -> Step {
        match self {
            Self::MatrixProduct => arithmetic::matrix_product(),
            Self::Fourier => arithmetic::fourier(),
            Self::Descent => honest::descent(),
            Self::Molecules => honest::molecules(),
            Self::MonteCarlo => honest::monte_carlo(),
            Self::Sha256 => hashes::sha256(),
            Self::Argon2 => hashes::argon2(),
            Self::Integers => hashes::integers(),
            Self::Intervals => modes::intervals(),
            Self::FloorByMode => modes::floor_by_mode(),
            Self::FourModes => modes::four_modes(),
            Self::IntervalsByMxcsr => modes::intervals_by_mxcsr(),
            Self::StandIn => modes::stand_in(),
        }
    }
}

/// What a process of `load` does.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// Computes.
    Work {
        /// What.
        #[arg(value_enum)]
        what: Work,
        /// How many threads.
        #[arg(long, default_value_t = 1)]
        threads: u32,
        /// Works so many percent of the time and sleeps the rest.
        #[arg(long, default_value_t = 100)]
        duty: u64,
        /// Ends after so many seconds, and prints the steps done.
        #[arg(long)]
        seconds: Option<u64>,
        /// Makes itself unreadable first.
        #[arg(long)]
        hide: bool,
    },
    /// Talks to a server of its own kind.
    Talk {
        /// How.
        #[arg(value_enum)]
        how: Conversation,
        /// Where the server listens.
        address: std::net::SocketAddr,
        /// The certificate of the server, where there is one.
        #[arg(long)]
        trust: Option<std::path::PathBuf>,
        /// How many times faster than in real life.
        #[arg(long, default_value_t = 1)]
        pace: u32,
    },
    /// Traces a process as a debugger does, says so, and waits to be killed.
    Trace {
        /// The process.
        process: i32,
        /// Stops it, too.
        #[arg(long)]
        stop: bool,
    },
    /// Maps a file as an image, computes, and leaves the machine alone.
    Map {
        /// The file.
        file: std::path::PathBuf,
    },
    /// Computes under a tracer of its own that lets it run.
    TraceOwn,
    /// Computes on so many threads, one after another for a moment each.
    Relay {
        /// How many; 0: on a new one each time.
        threads: u32,
    },
    /// Waits for a child that computes for ever, as after `vfork`: nothing interrupts that.
    Vfork,
    /// Starts processes that end at once, all the time.
    Fork,
    /// Starts so many threads, of which the last four compute.
    Threads {
        /// How many.
        count: u32,
    },
}

/// Does it. Without a limit, it never returns.
///
/// # Errors
///
/// What keeps the load from running.
pub fn run(role: &Role) -> anyhow::Result<()> {
    match role {
        Role::Work { what, threads, duty, seconds, hide } => {
            if *hide {
                modes::hide()?;
            }
            let what = *what;
            let steps =
                many(move || what.step(), *threads, *duty, seconds.map(Duration::from_secs));
            print(steps);
            Ok(())
        }
        Role::Talk { how, address, trust, pace } => {
            flows::talk(*how, *address, trust.as_deref(), *pace)
        }
        Role::Trace { process, stop } => {
            trace::trace(*process, *stop)?;
            print(1);
            loop {
                std::thread::park();
            }
        }
        Role::Map { file } => {
            trace::map(file)?;
            work(&|| Work::Integers.step(), 100, None);
            Ok(())
        }
        Role::TraceOwn => {
            trace::own()?;
            work(&|| Work::StandIn.step(), 100, None);
            Ok(())
        }
        Role::Relay { threads: 0 } => relay::fresh(Work::StandIn),
        Role::Relay { threads } => relay::turns(Work::StandIn, *threads),
        Role::Vfork => Ok(vfork::wait()?),
        Role::Fork => loop {
            std::process::Command::new("/bin/true").status()?;
        },
        Role::Threads { count } => {
            let idle = count.saturating_sub(4);
            let all: Vec<_> = (0..*count)
                .map(|number| {
                    let rest = move || {
                        if number < idle {
                            // For ever, but for what may wake it by chance: then it idles for a day.
                            clock::pass(Duration::from_hours(24));
                        }
                        work(&|| Work::Integers.step(), 100, None)
                    };
                    std::thread::Builder::new().stack_size(64 << 10).spawn(rest)
                })
                .collect::<Result<_, _>>()?;
            for one in all {
                let _ = one.join();
            }
            Ok(())
        }
    }
}

/// Works on so many threads, so many percent of the time; how many steps were done.
pub fn many(
    make: impl Fn() -> Step + Clone + Send + 'static,
    threads: u32,
    duty: u64,
    limit: Option<Duration>,
) -> u64 {
    let duty = duty.clamp(1, 100);
    let others: Vec<_> = (1..threads.max(1))
        .map(|_| {
            let make = make.clone();
            std::thread::spawn(move || work(&make, duty, limit))
        })
        .collect();
    let mut steps = work(&make, duty, limit);
    for other in others {
        steps += other.join().unwrap_or(0);
    }
    steps
}

fn work(make: &dyn Fn() -> Step, duty: u64, limit: Option<Duration>) -> u64 {
    const PERIOD: Duration = Duration::from_millis(100);
    let mut step = make();
    let begun = clock::instant();
    let mut steps = 0;
    loop {
        let slice = clock::instant();
        let busy = PERIOD * u32::try_from(duty).unwrap_or(100) / 100;
        while duty == 100 || slice.elapsed() < busy {
            std::hint::black_box(step());
            steps += 1;
            if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                return steps;
            }
        }
        // A step may have taken longer than its share: the pause grows with it.
        let worked = slice.elapsed();
        let share = u32::try_from(duty).unwrap_or(100);
        clock::pass(worked * (100 - share) / share);
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a load")]
fn print(steps: u64) {
    println!("{steps}");
}
