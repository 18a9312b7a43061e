//! Recall: the real proof-of-work function in many disguises, with the settings of production.

use std::fs;
use std::time::Duration;

use repower_agent::sense::Sensors;
use repower_agent_core::detect::{Rule, Settings};

use super::family::Family;
use super::honest::Bench;
use super::observe::observe;

/// A disguise.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What people would call it.
    pub name: &'static str,
    /// A script for the shell; `$1` is the program `proof-load`, `$2` a copy with another name,
    /// `$3` the program `load`.
    pub script: &'static str,
    /// Whether it needs the real function.
    pub is_real: bool,
}

const fn real(name: &'static str, script: &'static str) -> Case {
    Case { name, script, is_real: true }
}

/// All of them.
pub const ALL: &[Case] = &[
    real("RandomX, generated code", "\"$1\" & wait"),
    real("RandomX, generated code, 30 %", "\"$1\" --duty 30 & wait"),
    real("RandomX, generated code, 10 %", "\"$1\" --duty 10 & wait"),
    real("RandomX, interpreted", "\"$1\" --interpreted & wait"),
    real("RandomX, interpreted, 30 %", "\"$1\" --interpreted --duty 30 & wait"),
    real("RandomX, interpreted, 10 %", "\"$1\" --interpreted --duty 10 & wait"),
    real("renamed to `python3`", "\"$2\" & wait"),
    real("in a grandchild", "sh -c 'sh -c \"\\\"$0\\\" & wait\" \"$0\" & wait' \"$1\" & wait"),
    real("two threads", "\"$1\" --threads 2 & wait"),
    real("beside an honest job", "\"$3\" work matrix-product & \"$1\" & wait"),
    real("beside intervals by fesetround", "\"$3\" work intervals & \"$1\" & wait"),
    Case { name: "stand-in (no hashing)", script: "\"$3\" work stand-in & wait", is_real: false },
    Case {
        name: "stand-in at 10 %",
        script: "\"$3\" work stand-in --duty 10 & wait",
        is_real: false,
    },
];

/// What one try has given.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    /// The disguise.
    pub case: Case,
    /// Seconds until registers gave a verdict.
    pub registers: Option<u64>,
    /// Seconds until constants in memory gave one.
    pub content: Option<u64>,
    /// Windows of the whole task that were filled until then.
    pub windows: u64,
    /// How many of them were suspicious.
    pub suspicious: u64,
}

impl Try {
    /// By then registers are to give a verdict, unless the load works a tenth of the time.
    pub const WINDOWS: u64 = 3;

    /// Whether registers gave a verdict in time.
    pub fn is_in_time(&self) -> bool {
        // A try ends after ten minutes.
        let is_slow = self.case.name.ends_with("10 %");
        self.registers.is_some() && (is_slow || self.windows <= Self::WINDOWS)
    }
}

/// Tries a disguise once, for at most `limit`.
///
/// # Errors
///
/// A load that cannot be started.
pub fn run(
    bench: &Bench,
    sensors: &mut Sensors,
    case: Case,
    limit: Duration,
) -> anyhow::Result<(Try, Vec<String>)> {
    let folder = tempfile::tempdir_in(&bench.folder)?;
    let copy = folder.path().join("python3");
    let proof = bench.proof.as_ref().unwrap_or(&bench.load);
    fs::copy(proof, &copy)?;
    let arguments = [proof.clone(), copy, bench.load.clone()];
    let family = Family::script(case.script, &arguments, folder.path())?;
    let (mut registers, mut content) = (None, None);
    let observed = observe(sensors, family.members(), Settings::default(), limit, |progress| {
        let at = progress.elapsed.as_secs();
        let has = |rule| progress.watch.detector().verdicts().any(|one| one.rule == rule);
        registers = registers.or(has(Rule::RoundingModes).then_some(at));
        content = content.or(has(Rule::KnownConstants).then_some(at));
        registers.is_some()
    });
    let coverage = observed.watch.detector().coverage();
    let given = Try {
        case,
        registers,
        content,
        windows: coverage.windows,
        suspicious: coverage.suspicious,
    };
    Ok((given, observed.lines))
}
