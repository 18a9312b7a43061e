//! How far a job is kept apart: the most of what it asks for and what its class takes.

use repower_model::{Egress, Isolation, JobSpec, check_image};

use crate::policy::Class;
use crate::refusal::Refusal;

/// The most places that a job may name as all it reaches.
const MOST_PLACES: usize = 64;

/// The specification with its isolation and egress as they will be held.
///
/// # Errors
///
/// [`Refusal::BadText`] if the job asks for a network that its isolation rules out.
pub(super) fn settled(spec: &JobSpec, class: &Class) -> Result<JobSpec, Refusal> {
    let isolation = spec.isolation.max(class.isolation);
    let is_sealed = isolation == Isolation::Sealed;
    let egress = match &spec.egress {
        None if is_sealed => Egress::None,
        None => class.egress.clone(),
        Some(Egress::Open) if is_sealed || class.egress == Egress::None => {
            let why = if spec.isolation == Isolation::Sealed {
                "cannot be open for a sealed job: leave it out, or ask for isolation `boxed`".into()
            } else {
                format!("cannot be open for class `{}`: leave it out", spec.class)
            };
            return Err(Refusal::BadText { what: "egress", problem: why });
        }
        Some(asked) => asked.clone(),
    };
    Ok(JobSpec { isolation, egress: Some(egress), ..spec.clone() })
}

/// Bounds on what a job says about it.
pub(super) fn check(spec: &JobSpec) -> Result<(), Refusal> {
    if !spec.image.is_empty()
        && let Err(error) = check_image(&spec.image)
    {
        return Err(Refusal::BadImage { error });
    }
    if spec.pids == Some(0) {
        return super::bounds::out("the number of processes", 0, "1 or more".into());
    }
    let Some(Egress::Only(places)) = &spec.egress else {
        return Ok(());
    };
    if places.is_empty() || places.len() > MOST_PLACES {
        let allowed = format!("1 to {MOST_PLACES}, or egress `none`");
        return super::bounds::out("the number of places of its egress", places.len(), allowed);
    }
    let is_place = |place: &&String| {
        let (host, port) = place.rsplit_once(':')?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        (!host.is_empty() && host.len() <= 253 && is_port).then_some(())
    };
    match places.iter().find(|place| is_place(place).is_none()) {
        Some(place) => Err(Refusal::BadText {
            what: "egress",
            problem: format!("has `{place}` in it, which is not HOST:PORT"),
        }),
        None => Ok(()),
    }
}
