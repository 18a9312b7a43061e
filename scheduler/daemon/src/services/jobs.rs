//! The service for jobs: one call a file, but for the short ones.

use std::sync::Arc;

use repower_core::effect::Answer;
use repower_core::input::Input;
use repower_model::JobId;
use repower_proto::v1;
use repower_proto::v1::jobs_server::Jobs;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    attempts, check_reason, exec, list, logs, outputs, plan, resubmit, submit, watch, why,
};
use crate::gate::{self, Person};
use crate::shared::Shared;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Jobs for Service {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        let by = gate::person(&request)?.name;
        let reply = submit::submit(&self.0, by, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn list(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsReply>, Status> {
        Ok(Response::new(list::list(&self.0, request.into_inner()).await?))
    }

    async fn show(
        &self,
        request: Request<v1::ShowJobRequest>,
    ) -> Result<Response<v1::ShowJobReply>, Status> {
        let job = JobId(request.into_inner().job);
        Ok(Response::new(list::show(&self.0, job).await?))
    }

    async fn attempts(
        &self,
        request: Request<v1::AttemptsRequest>,
    ) -> Result<Response<v1::AttemptsReply>, Status> {
        Ok(Response::new(attempts::attempts(&self.0, request.into_inner()).await?))
    }

    type WatchStream = ReceiverStream<Result<v1::JobSummary, Status>>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let stream = watch::watch(&self.0, request.into_inner()).await?;
        Ok(Response::new(stream))
    }

    async fn outputs(
        &self,
        request: Request<v1::OutputsRequest>,
    ) -> Result<Response<v1::OutputsReply>, Status> {
        Ok(Response::new(outputs::outputs(&self.0, request.into_inner()).await?))
    }

    type LogsStream = ReceiverStream<Result<v1::LogChunk, Status>>;

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let stream = logs::logs(&self.0, request.into_inner()).await?;
        Ok(Response::new(stream))
    }

    type ExecStream = ReceiverStream<Result<v1::ExecOutput, Status>>;

    async fn exec(
        &self,
        request: Request<Streaming<v1::ExecInput>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let by = gate::person(&request)?;
        Ok(Response::new(exec::exec(&self.0, by, request.into_inner()).await?))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelReply>, Status> {
        let Person { name: by, role } = gate::person(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let ranges: Vec<_> = request.tasks.into_iter().map(Into::into).collect();
        let (job, reason) = (JobId(request.job), request.reason);
        let tasks = (!ranges.is_empty()).then_some(ranges);
        let input = if request.force {
            Input::GiveUp { job, tasks, by, role, reason }
        } else {
            Input::Cancel { job, tasks, by, role, reason }
        };
        match self.0.keeper.ask(input).await {
            Ok(Answer::Cancelled { pending, stopping, out_of_touch, given_up }) => {
                let reply = v1::CancelReply { pending, stopping, given_up, out_of_touch };
                Ok(Response::new(reply))
            }
            Ok(_) => Err(submit::unexpected()),
            Err(problem) if problem.code == "job.unknown" => {
                Err(submit::ended_or_unknown(&self.0, JobId(request.job)).await.into())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn resubmit(
        &self,
        request: Request<v1::ResubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        let by = gate::person(&request)?;
        let reply = resubmit::resubmit(&self.0, by, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn review(
        &self,
        request: Request<v1::ReviewRequest>,
    ) -> Result<Response<v1::ReviewReply>, Status> {
        let by = gate::person(&request)?.name;
        let v1::ReviewRequest { job, approve, reason } = request.into_inner();
        check_reason(&reason)?;
        let job = JobId(job);
        match self.0.keeper.ask(Input::Review { job, approve, by, reason }).await {
            Ok(_) => Ok(Response::new(v1::ReviewReply {})),
            Err(problem) if problem.code == "job.unknown" => {
                Err(submit::ended_or_unknown(&self.0, job).await.into())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn why(
        &self,
        request: Request<v1::WhyRequest>,
    ) -> Result<Response<v1::Explanation>, Status> {
        let v1::WhyRequest { job, index } = request.into_inner();
        Ok(Response::new(why::why(&self.0, JobId(job), index).await?))
    }

    async fn plan(
        &self,
        request: Request<v1::PlanRequest>,
    ) -> Result<Response<v1::PlanReply>, Status> {
        let by = gate::person(&request)?.name;
        Ok(Response::new(plan::plan(&self.0, by, request.into_inner()).await?))
    }
}
