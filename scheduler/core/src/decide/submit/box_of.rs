//! How far a job is kept apart: the most of what it asks for and what its class takes.

use repower_model::{Egress, Isolation, JobSpec, check_image, is_place};

use crate::policy::Class;
use crate::refusal::Refusal;

/// The specification with its isolation, its user and its egress as they will be held.
///
/// # Errors
///
/// [`Refusal::BadText`] if the job asks for more of the network than its class or its isolation leaves.
pub(super) fn settled(spec: &JobSpec, class: &Class) -> Result<JobSpec, Refusal> {
    let isolation = spec.isolation.max(class.isolation);
    let egress = egress(spec, class, isolation == Isolation::Sealed)
        .map_err(|problem| Refusal::BadText { what: "egress", problem })?;
    let spec = JobSpec { isolation, egress: Some(egress), ..spec.clone() };
    let level = spec.level();
    // In a box nobody is root anyway.
    let project_user = level == Isolation::Bare && (spec.project_user || !class.root);
    Ok(JobSpec { isolation: level, project_user, ..spec })
}

/// What of the network is left: what the job asks for, if its class lets it have that.
fn egress(spec: &JobSpec, class: &Class, is_sealed: bool) -> Result<Egress, String> {
    let name = &spec.class;
    match (&spec.egress, &class.egress) {
        (None, Egress::Only(places)) => Ok(Egress::Only(places.clone())),
        (None, _) if is_sealed => Ok(Egress::None),
        (None, egress) => Ok(egress.clone()),
        (Some(Egress::None), _) => Ok(Egress::None),
        (Some(Egress::Open), _) if spec.isolation == Isolation::Sealed => {
            Err("cannot be open for a sealed job: leave it out, or ask for isolation `boxed`"
                .into())
        }
        (Some(Egress::Open), Egress::Open) if !is_sealed => Ok(Egress::Open),
        (Some(Egress::Open), _) => Err(format!("cannot be open for class `{name}`: leave it out")),
        (Some(Egress::Only(_)), Egress::None) => {
            Err(format!("is none for class `{name}`, which reaches nothing: leave it out"))
        }
        (Some(Egress::Only(asked)), Egress::Only(allowed)) => {
            match asked.iter().find(|place| !allowed.contains(place)) {
                Some(place) => {
                    let all = allowed.join(", ");
                    Err(format!("has `{place}` in it, but class `{name}` may reach {all} only"))
                }
                None => Ok(Egress::Only(asked.clone())),
            }
        }
        (Some(Egress::Only(asked)), Egress::Open) => Ok(Egress::Only(asked.clone())),
    }
}

/// Refuses a folder of the nodes for the files of a job whose tasks may do less than the agent, which come and go in a
/// fresh folder of its own; and for a box one of which only the node could tell where it is.
pub(super) fn check_folder(spec: &JobSpec) -> Result<(), Refusal> {
    let is_boxed = spec.isolation > Isolation::Bare;
    if !is_boxed && !spec.project_user {
        return Ok(());
    }
    let has_files = !spec.inputs.is_empty() || !spec.outputs.is_empty();
    let problem = if !spec.working_folder.is_empty() && has_files {
        "cannot be chosen for a job with inputs or outputs whose tasks have not the agent's own user, as those on the \
         isolation levels `boxed` and `sealed`, which its class or its egress may ask for, and those of a class that \
         may not be root: leave it out"
    } else if is_boxed && spec.working_folder.split('/').any(|name| name == "..") {
        "has `..` in it, which it may have on the isolation level `bare` only"
    } else {
        return Ok(());
    };
    Err(Refusal::BadText { what: "the working folder", problem: problem.to_owned() })
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
    if let Some(weight) = spec.io_weight.filter(|weight| !JobSpec::IO_WEIGHTS.contains(weight)) {
        let (least, most) = JobSpec::IO_WEIGHTS.into_inner();
        let allowed = format!("{least} to {most}");
        return super::bounds::out("the weight of its use of disks", weight, allowed);
    }
    check_pinned(spec)?;
    let Some(Egress::Only(places)) = &spec.egress else {
        return Ok(());
    };
    if places.is_empty() || places.len() > Egress::MOST_PLACES {
        let allowed = format!("1 to {}, or egress `none`", Egress::MOST_PLACES);
        return super::bounds::out("the number of places of its egress", places.len(), allowed);
    }
    match places.iter().find(|place| !is_place(place)) {
        Some(place) => Err(Refusal::BadText {
            what: "egress",
            problem: format!("has `{place}` in it, which is not HOST:PORT"),
        }),
        None => Ok(()),
    }
}

/// Whoever has processors to itself has whole ones, and the same number whatever becomes of its alternatives.
fn check_pinned(spec: &JobSpec) -> Result<(), Refusal> {
    if !spec.pin_cpus {
        return Ok(());
    }
    let refused = |problem: String| Err(Refusal::BadText { what: "pin-cpus", problem });
    let cpus = spec.resources.cpus;
    if !cpus.as_milli().is_multiple_of(1000) || cpus.as_milli() == 0 {
        return refused(format!("takes whole processors, but the job asks for {cpus} of them"));
    }
    match spec.alternatives.iter().find(|other| other.cpus != cpus) {
        Some(other) => {
            let other = other.cpus;
            refused(format!("takes {cpus} processors in every alternative, but one has {other}"))
        }
        None => Ok(()),
    }
}
