//! What a task does when it runs, as its command says it.

use repower_agent_core::Status;
use repower_model::{JobSpec, RankId, Span};

use crate::dice::Dice;

/// What the tasks of a job do. It travels in the command of the job, as it would in reality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) seed: u64,
    /// How long a task runs.
    pub(crate) least: Span,
    pub(crate) most: Span,
    /// How many of a thousand attempts fail.
    pub(crate) fails: u64,
    /// How many of a thousand tasks always fail.
    pub(crate) doomed: u64,
    /// How many of a thousand attempts take no notice of SIGTERM.
    pub(crate) deaf: u64,
}

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ill {
    /// Nothing.
    No,
    /// Every task fails there at once.
    Eats,
    /// No task can be started there.
    CannotStart,
}

/// What one attempt will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Until its process runs.
    pub(crate) launch: Span,
    pub(crate) starts: bool,
    pub(crate) run: Span,
    pub(crate) status: Status,
    /// What it does at SIGTERM: ends after this long, or nothing.
    pub(crate) stop: Option<Span>,
    /// What it prints.
    pub(crate) prints: usize,
    /// Whether its output ends with it.
    pub(crate) drains: bool,
}

impl Work {
    /// The command that says this.
    pub(crate) fn command(self) -> Vec<String> {
        let numbers = [
            self.seed,
            self.least.as_millis(),
            self.most.as_millis(),
            self.fails,
            self.doomed,
            self.deaf,
        ];
        let words = numbers.iter().map(ToString::to_string);
        std::iter::once("work".to_owned()).chain(words).collect()
    }

    /// What a job says; `None` if it was not made by [`Work::command`].
    pub(crate) fn of(spec: &JobSpec) -> Option<Self> {
        let numbers: Vec<u64> =
            spec.command.iter().skip(1).filter_map(|word| word.parse().ok()).collect();
        let [seed, least, most, fails, doomed, deaf] = numbers[..] else {
            return None;
        };
        let (least, most) = (Span::from_millis(least), Span::from_millis(most));
        Some(Self { seed, least, most, fails, doomed, deaf })
    }

    /// What a process does on a node.
    pub(crate) fn fate(self, rank: RankId, ill: Ill) -> Fate {
        let RankId { attempt, rank } = rank;
        let index = u64::from(attempt.task.index);
        let task = self.seed ^ index.wrapping_mul(0x0100_0000_01b3);
        let is_doomed = Dice::new(task, "task").chance(self.doomed);
        let mut dice = Dice::new(
            task ^ (u64::from(attempt.number) << 40) ^ (u64::from(rank) << 56),
            "attempt",
        );
        let fails = dice.chance(self.fails);
        let status = match (is_doomed || fails, dice.below(4)) {
            (false, _) => Status::Code(0),
            (true, 0) => Status::Signal(11),
            (true, 1) => Status::OutOfMemory,
            (true, _) => Status::Code(i32::try_from(dice.within(1, 9)).unwrap_or(1)),
        };
        let stop = (!dice.chance(self.deaf)).then(|| dice.span(Span::ZERO, Span::from_millis(60)));
        let fate = Fate {
            launch: dice.span(Span::ZERO, Span::from_millis(3)),
            starts: true,
            run: dice.span(self.least, self.most),
            status,
            stop,
            prints: usize::try_from(dice.below(200)).unwrap_or(0),
            drains: !dice.chance(100),
        };
        match ill {
            Ill::No => fate,
            Ill::Eats => Fate { run: Span::from_millis(1), status: Status::Code(1), ..fate },
            Ill::CannotStart => Fate { starts: false, ..fate },
        }
    }
}
