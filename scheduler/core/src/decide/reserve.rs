//! Reservations: nodes are kept for maintenance or for a project.

use repower_model::{NodeId, Reservation, ReservationId, Span, Timestamp};

use super::project;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::input::Reserve;
use crate::refusal::Refusal;
use crate::state::Token;

/// Further ahead than anybody plans: a slip of the pen.
const AHEAD: Span = Span::from_secs(10 * 366 * 86_400);

/// Keeps nodes for a time.
pub(crate) fn reserve(draft: &mut Draft<'_>, asked: &Reserve) -> Result<Answer, Refusal> {
    let now = draft.now();
    let Reserve { from, until, project, by, reason, .. } = asked;
    let from = from.unwrap_or(now).max(now);
    if *until <= now {
        return Err(Refusal::ReservationOver { ago: now.since(*until) });
    }
    if *until <= from {
        return Err(Refusal::ReservationBackwards { by: from.since(*until) });
    }
    if until.since(now) > AHEAD {
        let (what, asked) = ("the end of the reservation", until.since(now).to_string());
        return Err(Refusal::OutOfBounds {
            what,
            asked,
            allowed: format!("at most {AHEAD} ahead"),
        });
    }
    if let Some(name) = project {
        project::check(name)?;
    }
    let nodes = nodes(draft, asked)?;
    free(draft, &nodes, from, *until)?;
    let reservations = &draft.state().reservations;
    if reservations.len() >= Reservation::MOST {
        let (what, asked) = ("the number of reservations", (reservations.len() + 1).to_string());
        let allowed = format!("at most {}", Reservation::MOST);
        return Err(Refusal::OutOfBounds { what, asked, allowed });
    }
    let id = reservations.next_id();
    draft.push(Fact::ReservationMade(Box::new(Reservation {
        id,
        nodes,
        from,
        until: *until,
        project: project.clone(),
        by: by.clone(),
        reason: reason.clone(),
    })));
    Ok(Answer::Reservation(id))
}

/// Ends a reservation before its time.
pub(crate) fn unreserve(
    draft: &mut Draft<'_>,
    id: ReservationId,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    if draft.state().reservations.get(id).is_none() {
        return Err(Refusal::ReservationUnknown { id });
    }
    let (by, reason) = (by.to_owned(), reason.to_owned());
    draft.push(Fact::ReservationEnded { id, by, reason });
    Ok(Answer::Done)
}

/// Ends the reservations whose time is over.
pub(crate) fn end_what_is_over(draft: &mut Draft<'_>) {
    while let Some(id) = draft.state().reservations.first_over(draft.now()) {
        let (by, reason) = (Token::SCHEDULER.to_owned(), "its time is over".to_owned());
        draft.push(Fact::ReservationEnded { id, by, reason });
    }
}

/// The nodes that are asked for, ascending.
fn nodes(draft: &Draft<'_>, asked: &Reserve) -> Result<Vec<NodeId>, Refusal> {
    let (count, most) = (asked.nodes.len(), Reservation::MOST_NODES);
    if count == 0 || count > most {
        let (what, asked) = ("the number of nodes", count.to_string());
        return Err(Refusal::OutOfBounds { what, asked, allowed: format!("from 1 to {most}") });
    }
    let mut nodes = asked.nodes.clone();
    nodes.sort_unstable();
    nodes.dedup();
    match nodes.iter().find(|node| !draft.state().nodes.contains_key(node)) {
        Some(node) => Err(Refusal::NodeUnknown { node: *node }),
        None => Ok(nodes),
    }
}

/// Refuses what others have been promised.
fn free(
    draft: &Draft<'_>,
    nodes: &[NodeId],
    from: Timestamp,
    until: Timestamp,
) -> Result<(), Refusal> {
    let state = draft.state();
    for node in nodes {
        let mut others = state.reservations.of_node(*node);
        if let Some(other) = others.find(|other| other.overlaps(from, Some(until))) {
            let node = state.nodes[node].name.clone();
            return Err(Refusal::ReservationOverlaps { node, other: other.id });
        }
    }
    Ok(())
}
