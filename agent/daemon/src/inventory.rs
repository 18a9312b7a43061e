//! What the machine has.

use std::collections::BTreeSet;
use std::path::Path;

use repower_model::{Ability, Bytes, Cpus, Dimension, Inventory, Resources};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::container::Engine;
use crate::tasks::EXTRA;
use crate::{Error, Options, detector, environment, sandbox};

/// Looks at the machine. What the options say about capacity comes first.
pub(crate) fn inventory(
    options: &Options,
    data: &Path,
    engine: Option<&Engine>,
    sensors: detector::Sensors,
) -> Result<Inventory, Error> {
    let wanted = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted).map_err(|error| Error::System {
        what: "a look at the machine",
        source: std::io::Error::other(error),
    })?;
    let uname = rustix::system::uname();
    Ok(Inventory {
        labels: options.labels.clone().into_iter().collect(),
        capacity: capacity(options, &system, data),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        cpu_model: system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned())
            .unwrap_or_default(),
        isa_level: isa_level(),
        sockets: sockets(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: options.address.clone().unwrap_or_default(),
        abilities: abilities(data, engine, sensors.has)?,
        lacks: sensors.lacks,
    })
}

/// What it can do for tasks, ascending.
fn abilities(
    data: &Path,
    engine: Option<&Engine>,
    sensors: Vec<String>,
) -> Result<Vec<String>, Error> {
    let mut abilities = sandbox::abilities(data).map_err(no_host)?;
    abilities.extend(sensors);
    if let Some(engine) = engine {
        let able = Ability::Container.as_str();
        abilities.extend([able.to_owned(), format!("{able}.{}", engine.name())]);
        let has = |ability: &str| abilities.iter().any(|name| name == ability);
        let more = [
            (
                has(Ability::AllowList.as_str()) && engine.joins_networks(),
                Ability::ContainerAllowList,
            ),
            // With version 1 an engine's containers are in no group of ours that weighs their use of disks.
            (has(Ability::LimitIo.as_str()) && has(sandbox::CGROUP_V2), Ability::ContainerLimitIo),
        ];
        let more = more.into_iter().filter(|(is_able, _)| *is_able);
        let more: Vec<_> = more.map(|(_, ability)| ability.as_str().to_owned()).collect();
        abilities.extend(more);
    }
    abilities.sort();
    Ok(abilities)
}

/// What makes containers here, if anything does: an engine that answers, and a place for its control groups.
pub(crate) fn engine(options: &Options, data: &Path) -> Option<Engine> {
    let engine = match Engine::detect(options.engine.as_deref(), &environment::path()) {
        Ok(engine) => engine,
        Err(error) => {
            tracing::info!(ability = Ability::Container.as_str(), %error, "this host lacks an ability");
            return None;
        }
    };
    let name = format!("{}-probe-{}-containers", sandbox::name_of(data), std::process::id());
    match sandbox::Tree::plant_evenly(&name) {
        Ok(tree) if tree.place().is_some() => Some(engine),
        Ok(_) => {
            let error = "control groups for containers have no place below all mounts";
            tracing::info!(ability = Ability::Container.as_str(), %error, "this host lacks an ability");
            None
        }
        Err(error) => {
            tracing::info!(ability = Ability::Container.as_str(), %error, "this host lacks an ability");
            None
        }
    }
}

/// What keeps this host from being tried.
pub(crate) fn no_host(error: sandbox::Error) -> Error {
    Error::System { what: "what holds tasks", source: std::io::Error::other(error) }
}

fn capacity(options: &Options, system: &System, data: &Path) -> Resources {
    let has = Resources {
        cpus: Cpus::from_whole(
            std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        ),
        memory: Bytes::new(memory(system)),
        disk: Bytes::new(free_disk(data)),
        extras: Vec::new(),
    };
    let cpus = options.cpus.map_or(has.cpus, Cpus::from_whole);
    let memory = options.memory_mib.map_or(has.memory, Bytes::from_mib);
    let disk = options.disk_mib.map_or(has.disk, Bytes::from_mib);
    let said = Resources { cpus, memory, disk, extras: Vec::new() };
    for (what, said, has) in overstated(&said, &has) {
        tracing::warn!(
            "the agent offers {said} of {what}, but the machine has {has}: tasks will share what there is"
        );
    }
    warn_of_gpus(options.extras.get(EXTRA).copied().unwrap_or(0));
    let extras = options.extras.iter().filter(|(_, amount)| **amount > 0);
    Resources { extras: extras.map(|(name, amount)| (name.clone(), *amount)).collect(), ..said }
}

/// Says so if an agent offers GPUs that have no device files here: who is given those is told their numbers only, or does
/// not start.
fn warn_of_gpus(offered: u64) {
    let found = sandbox::Devices::look(Path::new("/")).now();
    let has = found.as_ref().map_or(0, |found| found.numbers().len());
    match (offered, has) {
        (0, _) => {}
        (_, 0) => tracing::warn!(
            offered,
            "the agent offers GPUs, but this machine has no device files of any: tasks are told numbers only"
        ),
        (_, has) if offered > has as u64 => tracing::warn!(
            offered,
            has,
            "the agent offers more GPUs than this machine has device files of: some tasks will not start"
        ),
        _ => {}
    }
}

/// What an operator says that there is, and is more than the machine has: what, how much is said, and
/// how much there is.
fn overstated(said: &Resources, has: &Resources) -> Vec<(Dimension, String, String)> {
    let fixed = [Dimension::Cpus, Dimension::Memory, Dimension::Disk].into_iter();
    let more = fixed.filter(|dimension| said.amount(dimension) > has.amount(dimension));
    more.map(|dimension| {
        let show = |resources: &Resources| dimension.show(resources.amount(&dimension));
        let (said, has) = (show(said), show(has));
        (dimension, said, has)
    })
    .collect()
}

/// Main memory, or what the control group of this process may use of it.
fn memory(system: &System) -> u64 {
    let all = system.total_memory();
    system.cgroup_limits().map_or(all, |limits| match limits.total_memory {
        0 => all,
        limit => limit.min(all),
    })
}

fn free_disk(data: &Path) -> u64 {
    rustix::fs::statvfs(data).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// How many processor packages; 1 if the machine does not say.
fn sockets() -> u32 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let packages: BTreeSet<_> =
        text.lines().filter(|line| line.starts_with("physical id")).collect();
    u32::try_from(packages.len().max(1)).unwrap_or(1)
}

/// A name for the node: the host's, in the letters that a node's name may have.
pub(crate) fn node_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let allowed = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-._".contains(letter) { letter } else { '-' }
    };
    let name: String = host.chars().map(allowed).take(63).collect();
    if name.is_empty() { "node".into() } else { name }
}

/// The level of the x86-64 psABI that this processor has.
#[cfg(target_arch = "x86_64")]
fn isa_level() -> String {
    use std::arch::is_x86_feature_detected as has;
    let v2 = has!("cmpxchg16b")
        && has!("popcnt")
        && has!("sse3")
        && has!("sse4.1")
        && has!("sse4.2")
        && has!("ssse3");
    let v3 = v2
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let v4 = v3
        && has!("avx512f")
        && has!("avx512bw")
        && has!("avx512cd")
        && has!("avx512dq")
        && has!("avx512vl");
    let level = 1 + u8::from(v2) + u8::from(v3) + u8::from(v4);
    format!("x86-64-v{level}")
}

/// The name of the architecture.
#[cfg(not(target_arch = "x86_64"))]
fn isa_level() -> String {
    std::env::consts::ARCH.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_the_machine_has_is_told_with_both_amounts() {
        let of = |cpus, gib| Resources {
            cpus: Cpus::from_whole(cpus),
            memory: Bytes::from_gib(gib),
            ..Resources::default()
        };

        let told = overstated(&of(64, 8), &of(2, 8));

        assert_eq!(told, [(Dimension::Cpus, "64".to_owned(), "2".to_owned())]);
        assert_eq!(overstated(&of(1, 4), &of(2, 8)), []);
    }
}
