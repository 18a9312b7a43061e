//! What can be noticed, how much it weighs, and by which mechanism.

use std::fmt;

/// How much a verdict weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Near-conclusive: the task is frozen until a person has looked.
    One,
    /// Strong: outputs are held back and connections cut.
    Two,
    /// Weak: the task is asked for evidence of progress.
    Three,
}

/// What a rule looks at. Two rules of one mechanism are one witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// Floating-point control registers of running threads.
    Registers,
    /// Bytes in the images that a process has mapped.
    Content,
    /// Which file a process runs, against what was admitted.
    Identity,
    /// Devices that a process has opened.
    Devices,
    /// Where connections go and how they behave.
    Network,
    /// Sizes and rights of mapped memory.
    Layout,
    /// Use of processor, disk and output over time.
    Load,
    /// Whether the task lets itself be looked at.
    Openness,
}

/// One thing that can be noticed about a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The SSE rounding mode takes at least three values while that of the x87 stays.
    RoundingModes,
    /// Constants of a proof-of-work function are in a mapped image.
    KnownConstants,
    /// A mapped image has a digest that is on a list.
    KnownDigest,
    /// What runs is not what was admitted.
    ExecutableChanged,
    /// What runs was never a file on a disk.
    ExecutableInMemory,
    /// Model-specific registers of the processor were reached for.
    DeviceRegisters,
    /// Words of a pool protocol are in a mapped image.
    PoolWords,
    /// What runs was deleted after its start.
    ExecutableDeleted,
    /// A connection leads outside the allow-list.
    EgressOutside,
    /// A connection behaves as one to a pool does.
    PoolShape,
    /// Mappings have the sizes of a proof-of-work cache or dataset, beside generated code.
    MiningMappings,
    /// The task has made itself unreadable, or keeps the probe away.
    ProbeBlocked,
    /// Both rounding modes vary: mostly interval arithmetic.
    RoundingVaried,
    /// Steady load without input, output or progress.
    FlatLoad,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 14] = [
        Self::RoundingModes,
        Self::KnownConstants,
        Self::KnownDigest,
        Self::ExecutableChanged,
        Self::ExecutableInMemory,
        Self::DeviceRegisters,
        Self::PoolWords,
        Self::ExecutableDeleted,
        Self::EgressOutside,
        Self::PoolShape,
        Self::MiningMappings,
        Self::ProbeBlocked,
        Self::RoundingVaried,
        Self::FlatLoad,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RoundingModes => "registers.rounding-modes",
            Self::KnownConstants => "content.known-constants",
            Self::KnownDigest => "content.known-digest",
            Self::ExecutableChanged => "executable.changed",
            Self::ExecutableInMemory => "executable.in-memory",
            Self::DeviceRegisters => "device.msr",
            Self::PoolWords => "content.pool-words",
            Self::ExecutableDeleted => "executable.deleted",
            Self::EgressOutside => "egress.outside-list",
            Self::PoolShape => "flow.pool-shape",
            Self::MiningMappings => "mappings.mining-like",
            Self::ProbeBlocked => "probe.blocked",
            Self::RoundingVaried => "registers.rounding-varied",
            Self::FlatLoad => "load.flat",
        }
    }

    /// Raised whenever the same samples could give another verdict.
    pub const fn version(self) -> u32 {
        match self {
            Self::MiningMappings => 2,
            Self::RoundingModes
            | Self::KnownConstants
            | Self::KnownDigest
            | Self::ExecutableChanged
            | Self::ExecutableInMemory
            | Self::DeviceRegisters
            | Self::PoolWords
            | Self::ExecutableDeleted
            | Self::EgressOutside
            | Self::PoolShape
            | Self::ProbeBlocked
            | Self::RoundingVaried
            | Self::FlatLoad => 1,
        }
    }

    /// How much a verdict by this rule weighs.
    pub const fn tier(self) -> Tier {
        match self {
            Self::RoundingModes
            | Self::KnownConstants
            | Self::KnownDigest
            | Self::ExecutableChanged
            | Self::ExecutableInMemory
            | Self::DeviceRegisters => Tier::One,
            Self::PoolWords
            | Self::ExecutableDeleted
            | Self::EgressOutside
            | Self::PoolShape
            | Self::MiningMappings
            | Self::ProbeBlocked => Tier::Two,
            Self::RoundingVaried | Self::FlatLoad => Tier::Three,
        }
    }

    /// What the rule looks at.
    pub const fn mechanism(self) -> Mechanism {
        match self {
            Self::RoundingModes | Self::RoundingVaried => Mechanism::Registers,
            Self::KnownConstants | Self::KnownDigest | Self::PoolWords => Mechanism::Content,
            Self::ExecutableChanged | Self::ExecutableInMemory | Self::ExecutableDeleted => {
                Mechanism::Identity
            }
            Self::DeviceRegisters => Mechanism::Devices,
            Self::EgressOutside | Self::PoolShape => Mechanism::Network,
            Self::MiningMappings => Mechanism::Layout,
            Self::ProbeBlocked => Mechanism::Openness,
            Self::FlatLoad => Mechanism::Load,
        }
    }
}

impl Tier {
    /// 1 to 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

impl Mechanism {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Registers => "registers",
            Self::Content => "content",
            Self::Identity => "identity",
            Self::Devices => "devices",
            Self::Network => "network",
            Self::Layout => "layout",
            Self::Load => "load",
            Self::Openness => "openness",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::One => "tier 1",
            Self::Two => "tier 2",
            Self::Three => "tier 3",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}
