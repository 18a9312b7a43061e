//! The service for nodes.

use std::sync::Arc;

use repower_core::input::{Input, Rest};
use repower_model::NodeId;
use repower_proto::convert::known;
use repower_proto::v1;
use repower_proto::v1::nodes_server::Nodes;
use tonic::{Request, Response, Status};

use super::reservations::{self, id_of};
use super::{check_reason, remarks, running, summary};
use crate::gate;
use crate::problem::Problem;
use crate::shared::Shared;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

impl Service {
    fn summary(&self, id: NodeId) -> Result<v1::NodeSummary, Problem> {
        let state = self.0.published.read();
        let node = state.nodes.get(&id).ok_or_else(|| {
            Problem::from(repower_core::refusal::Refusal::NodeUnknown { node: id })
        })?;
        Ok(summary::node(&self.0, node, self.0.links.has(id)))
    }
}

#[tonic::async_trait]
impl Nodes for Service {
    async fn list(
        &self,
        _: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesReply>, Status> {
        let connected = self.0.links.nodes();
        let state = self.0.published.read();
        let nodes = state.nodes.values();
        let nodes =
            nodes.map(|node| summary::node(&self.0, node, connected.contains(&node.id))).collect();
        let remarks = remarks::of_scheduler(&self.0);
        Ok(Response::new(v1::ListNodesReply { nodes, remarks }))
    }

    async fn show(
        &self,
        request: Request<v1::ShowNodeRequest>,
    ) -> Result<Response<v1::ShowNodeReply>, Status> {
        let id = id_of(&self.0, &request.into_inner().name)?;
        let summary = self.summary(id)?;
        let state = self.0.published.read();
        let attempts = state.nodes.get(&id).into_iter().flat_map(|node| {
            let state = &*state;
            node.tasks().filter_map(move |task| {
                let shown = summary::on_node(state, task, state.attempts.get(&task)?, node);
                let progress = summary::progress(&self.0, state, task);
                Some(v1::TaskSummary { progress, ..shown })
            })
        });
        let attempts = attempts.collect();
        Ok(Response::new(v1::ShowNodeReply { node: Some(summary), attempts }))
    }

    async fn drain(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::NodeSummary>, Status> {
        let by = gate::person(&request)?.name;
        let request = request.into_inner();
        let rest = match known::<v1::Rest>("rest", request.rest).map_err(Problem::from)? {
            v1::Rest::Unspecified => Rest::Finishes,
            v1::Rest::Stop => Rest::Stops,
            v1::Rest::GiveUp => Rest::IsGivenUp,
        };
        let v1::DrainRequest { name, reason, .. } = request;
        check_reason(&reason)?;
        let node = id_of(&self.0, &name)?;
        self.0.keeper.ask(Input::Drain { node, rest, by, reason }).await?;
        Ok(Response::new(self.summary(node)?))
    }

    async fn resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::NodeSummary>, Status> {
        let by = gate::person(&request)?.name;
        let node = id_of(&self.0, &request.into_inner().name)?;
        self.0.keeper.ask(Input::Resume { node, by }).await?;
        Ok(Response::new(self.summary(node)?))
    }

    async fn reserve(
        &self,
        request: Request<v1::ReserveRequest>,
    ) -> Result<Response<v1::Reservation>, Status> {
        let by = gate::person(&request)?.name;
        check_reason(&request.get_ref().reason)?;
        Ok(Response::new(reservations::reserve(&self.0, by, request.into_inner()).await?))
    }

    async fn unreserve(
        &self,
        request: Request<v1::UnreserveRequest>,
    ) -> Result<Response<v1::Reservation>, Status> {
        let by = gate::person(&request)?.name;
        check_reason(&request.get_ref().reason)?;
        Ok(Response::new(reservations::unreserve(&self.0, by, request.into_inner()).await?))
    }

    async fn reservations(
        &self,
        _: Request<v1::ListReservationsRequest>,
    ) -> Result<Response<v1::ListReservationsReply>, Status> {
        Ok(Response::new(reservations::list(&self.0)))
    }

    async fn running(
        &self,
        request: Request<v1::RunningRequest>,
    ) -> Result<Response<v1::RunningReply>, Status> {
        Ok(Response::new(running::running(&self.0, request.get_ref())?))
    }
}
