//! How far a job is kept apart: the most of what it asks for and what its class takes.

use repower_model::{Egress, Isolation, JobSpec, check_image, is_place, is_seen_from_boxes};

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
/// fresh folder of its own; and for a box one that no box shows. `spec` is what was asked for, settled.
pub(super) fn check_folder(spec: &JobSpec, asked: &JobSpec, class: &Class) -> Result<(), Refusal> {
    let is_boxed = spec.isolation > Isolation::Bare;
    let folder = &spec.working_folder;
    if folder.is_empty() || !(is_boxed || spec.project_user) {
        return Ok(());
    }
    let why = || why_other(spec, asked, class);
    let problem = if !spec.inputs.is_empty() || !spec.outputs.is_empty() {
        let what = if spec.inputs.is_empty() { "outputs" } else { "inputs" };
        format!(
            "cannot be {folder} because the job has {what}, which come and go in a fresh folder where {}: leave it out, \
             or say `fresh`",
            why()
        )
    } else if !is_boxed {
        return Ok(());
    } else if folder.split('/').any(|name| name == "..") {
        format!("has `..` in it, which it must not have where {}", why())
    } else if !spec.image.is_empty() {
        format!("cannot be {folder} in a container where {}: leave it out, or say `fresh`", why())
    } else if is_seen_from_boxes(folder) {
        return Ok(());
    } else {
        format!(
            "cannot be {folder}, which is not seen from a box, and the tasks are in one because {}: leave it out, or say \
             `fresh`",
            why()
        )
    };
    Err(Refusal::BadText { what: "the working folder", problem })
}

/// Why tasks may do less than the agent: the one reason that comes first.
fn why_other(spec: &JobSpec, asked: &JobSpec, class: &Class) -> String {
    let name = &asked.class;
    if asked.isolation > Isolation::Bare {
        format!("the job asks for isolation `{}`", asked.isolation.as_str())
    } else if class.isolation > Isolation::Bare {
        format!("class `{name}` has isolation `{}`", class.isolation.as_str())
    } else if spec.isolation == Isolation::Bare {
        format!("tasks of class `{name}` have the user of their project")
    } else if asked.egress.as_ref().is_some_and(|egress| *egress != Egress::Open) {
        "the job asks for an egress that is not open".to_owned()
    } else {
        format!("the egress of class `{name}` is not open")
    }
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
