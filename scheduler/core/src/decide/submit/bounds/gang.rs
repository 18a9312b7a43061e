//! Bounds on gangs beside their numbers: what their environment may say, and whether they could fit.

use repower_model::{JobSpec, Layout, NodePhase, Resources};

use crate::plan::filter;
use crate::refusal::Refusal;
use crate::state::{Node, State};

/// The variables by which ranks find each other. A job may set `MASTER_PORT` itself: its own word
/// counts.
const KEPT: [&str; 6] =
    ["RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR"];

/// Checks the variables that a gang sets itself.
pub(super) fn check(spec: &JobSpec) -> Result<(), Refusal> {
    if spec.gang.is_none() {
        return Ok(());
    }
    if spec.checkpoint {
        let problem =
            "are not kept for gangs: let its ranks save to a file system that all nodes share";
        return super::bad("checkpoints", problem);
    }
    let port = spec.environment.iter().find(|variable| variable.name == "MASTER_PORT");
    if let Some(port) = port.filter(|port| !port.value.parse().is_ok_and(|port: u16| port > 0)) {
        return super::out("MASTER_PORT", &port.value, "a port from 1 to 65535".into());
    }
    if spec.environment.iter().any(|variable| KEPT.contains(&variable.name.as_str())) {
        let problem = "is one that a gang gets from Repower (RANK, WORLD_SIZE, MASTER_ADDR ..)";
        return super::bad("a variable", problem);
    }
    Ok(())
}

/// Refuses a gang that the enrolled nodes that meet its rules could not hold even if all of them were
/// empty. With these amounts for each rank.
pub(super) fn fits_somewhere(
    state: &State,
    spec: &JobSpec,
    asked: &Resources,
) -> Result<(), Refusal> {
    let Some(gang) = &spec.gang else { return Ok(()) };
    // Whether it has told its address does not count: its agent may do so when it starts next.
    let needs = spec.abilities();
    let meets = |node: &&Node| filter::meets(node, &spec.constraints, &needs, None);
    let known = state.nodes.values().filter(|node| node.phase != NodePhase::Enrolled);
    let known = known.filter(meets);
    let fits: Vec<u32> = known.map(|node| node.capacity().fits(asked, gang.ranks())).collect();
    if fits.iter().all(|fits| *fits == 0) {
        // Each amount is on some node, but never all of them on one that meets its rules: it waits
        // for such a node.
        return Ok(());
    }
    let per_node = gang.ranks_per_node;
    match gang.layout {
        Layout::Spread => {
            let able = fits.iter().filter(|fits| **fits >= per_node).count();
            let able = u32::try_from(able).unwrap_or(u32::MAX);
            let (asked, most) = (gang.nodes, able);
            if able >= asked {
                return Ok(());
            }
            if able == 0 {
                let most = fits.into_iter().max().unwrap_or(0);
                return Err(Refusal::GangShareTooLarge { asked: per_node, most });
            }
            Err(Refusal::GangTooWide { asked, most, ranks: per_node })
        }
        Layout::Pack => {
            let most = fits.iter().fold(0_u32, |sum, fits| sum.saturating_add(*fits));
            let asked = gang.ranks();
            if most >= asked { Ok(()) } else { Err(Refusal::GangTooLarge { asked, most }) }
        }
    }
}
