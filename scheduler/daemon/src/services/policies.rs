//! The service for policies.

use std::sync::Arc;

use repower_proto::v1;
use repower_proto::v1::policies_server::Policies;
use tonic::{Request, Response, Status};

use crate::problem::Problem;
use crate::shared::Shared;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Policies for Service {
    async fn show(
        &self,
        _: Request<v1::ShowPolicyRequest>,
    ) -> Result<Response<v1::PolicyReply>, Status> {
        let state = self.0.published.read();
        let (policy, adopted) = state
            .policy
            .as_ref()
            .ok_or_else(|| Problem::not_found("policy.none", "no policy is in force"))?;
        Ok(Response::new(v1::PolicyReply {
            version: policy.version.clone(),
            hash: policy.hash.to_string(),
            text: policy.text.clone(),
            adopted_ms: adopted.as_millis(),
        }))
    }
}
