//! Reservations of nodes.

use repower_core::effect::Answer;
use repower_core::input::{Input, Reserve};
use repower_core::refusal::Refusal;
use repower_core::state::State;
use repower_model::{NodeId, Reservation, ReservationId, Timestamp};
use repower_proto::convert::moment;
use repower_proto::v1;
use tonic::Status;

use super::submit::unexpected;
use crate::problem::Problem;
use crate::shared::Shared;

/// Keeps nodes for a time.
pub(super) async fn reserve(
    shared: &Shared,
    by: String,
    request: v1::ReserveRequest,
) -> Result<v1::Reservation, Status> {
    let v1::ReserveRequest { nodes, from_ms, until_ms, project, reason } = request;
    let nodes = nodes.iter().map(|name| id_of(shared, name));
    let asked = Reserve {
        nodes: nodes.collect::<Result<_, _>>()?,
        from: moment(from_ms),
        until: Timestamp::from_millis(until_ms),
        project: Some(project).filter(|project| !project.is_empty()),
        by,
        reason,
    };
    let Answer::Reservation(id) = shared.keeper.ask(Input::Reserve(Box::new(asked))).await? else {
        return Err(unexpected());
    };
    Ok(known(shared, id)?)
}

/// Ends a reservation; returns what it was.
pub(super) async fn unreserve(
    shared: &Shared,
    by: String,
    request: v1::UnreserveRequest,
) -> Result<v1::Reservation, Status> {
    let id = ReservationId(request.id);
    let was = known(shared, id)?;
    shared.keeper.ask(Input::Unreserve { id, by, reason: request.reason }).await?;
    Ok(was)
}

/// All that have not ended.
pub(super) fn list(shared: &Shared) -> v1::ListReservationsReply {
    let state = shared.published.read();
    let all = state.reservations.iter().map(|one| wire(&state, one));
    v1::ListReservationsReply { reservations: all.collect() }
}

fn known(shared: &Shared, id: ReservationId) -> Result<v1::Reservation, Problem> {
    let state = shared.published.read();
    let one = state.reservations.get(id).ok_or(Refusal::ReservationUnknown { id })?;
    Ok(wire(&state, one))
}

fn wire(state: &State, one: &Reservation) -> v1::Reservation {
    let names = one.nodes.iter().filter_map(|node| state.nodes.get(node));
    v1::Reservation {
        id: one.id.0,
        nodes: names.map(|node| node.name.clone()).collect(),
        from_ms: one.from.as_millis(),
        until_ms: one.until.as_millis(),
        project: one.project.clone().unwrap_or_default(),
        by: one.by.clone(),
        reason: one.reason.clone(),
    }
}

/// The node of a name.
pub(super) fn id_of(shared: &Shared, name: &str) -> Result<NodeId, Problem> {
    let state = shared.published.read();
    state.node_by_name(name).map(|node| node.id).ok_or_else(|| {
        Problem::not_found("node.unknown", format!("there is no node `{name}`"))
            .hint("`repower nodes` lists the nodes")
    })
}
