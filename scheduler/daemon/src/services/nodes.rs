//! The service for nodes.

use std::sync::Arc;

use repower_core::input::Input;
use repower_model::NodeId;
use repower_proto::v1;
use repower_proto::v1::nodes_server::Nodes;
use tonic::{Request, Response, Status};

use super::{check_reason, summary};
use crate::gate;
use crate::problem::Problem;
use crate::shared::Shared;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

impl Service {
    fn id_of(&self, name: &str) -> Result<NodeId, Problem> {
        let state = self.0.published.read();
        state.node_by_name(name).map(|node| node.id).ok_or_else(|| {
            Problem::not_found("node.unknown", format!("there is no node `{name}`"))
                .hint("`repower nodes` lists the nodes")
        })
    }

    fn summary(&self, id: NodeId) -> Result<v1::NodeSummary, Problem> {
        let state = self.0.published.read();
        let node = state.nodes.get(&id).ok_or_else(|| {
            Problem::from(repower_core::refusal::Refusal::NodeUnknown { node: id })
        })?;
        Ok(summary::node(node, self.0.links.has(id)))
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
        let nodes = nodes.map(|node| summary::node(node, connected.contains(&node.id))).collect();
        Ok(Response::new(v1::ListNodesReply { nodes }))
    }

    async fn show(
        &self,
        request: Request<v1::ShowNodeRequest>,
    ) -> Result<Response<v1::ShowNodeReply>, Status> {
        let id = self.id_of(&request.into_inner().name)?;
        let summary = self.summary(id)?;
        let state = self.0.published.read();
        let attempts = state.nodes.get(&id).into_iter().flat_map(|node| {
            let state = &*state;
            node.tasks().filter_map(move |task| {
                Some(summary::on_node(task, state.attempts.get(&task)?, node))
            })
        });
        let attempts = attempts.collect();
        Ok(Response::new(v1::ShowNodeReply { node: Some(summary), attempts }))
    }

    async fn drain(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::NodeSummary>, Status> {
        let by = gate::person(&request)?;
        let v1::DrainRequest { name, reason } = request.into_inner();
        check_reason(&reason)?;
        let node = self.id_of(&name)?;
        self.0.keeper.ask(Input::Drain { node, by, reason }).await?;
        Ok(Response::new(self.summary(node)?))
    }

    async fn resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::NodeSummary>, Status> {
        let by = gate::person(&request)?;
        let node = self.id_of(&request.into_inner().name)?;
        self.0.keeper.ask(Input::Resume { node, by }).await?;
        Ok(Response::new(self.summary(node)?))
    }
}
