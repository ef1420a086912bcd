//! Runs of plans: the service, each of whose methods is elsewhere.

use super::{Services, commands, show, start, watch};
use crate::auth::Caller;
use engine::Command;
use proto::v1;
use proto::v1::runs_server::Runs as Service;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

type State = Result<Response<v1::RunState>, Status>;

impl Services {
    async fn run_command(
        &self,
        request: Request<v1::RunCommand>,
        command: impl FnOnce(String) -> Command,
    ) -> State {
        let caller = Caller::of(&request);
        let v1::RunCommand { run, reason, expected_sequence } = request.into_inner();
        commands::command(&self.app, &caller, &run, command(reason), expected_sequence).await
    }
}

#[tonic::async_trait]
impl Service for Services {
    type WatchStream = ReceiverStream<Result<v1::WatchEvent, Status>>;

    async fn start(&self, request: Request<v1::StartRequest>) -> Result<Response<v1::StartResponse>, Status> {
        let caller = Caller::of(&request);
        start::start(&self.app, &caller, request.into_inner()).await
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        watch::watch(&self.app, request.into_inner()).await
    }

    async fn list(
        &self,
        request: Request<v1::ListRunsRequest>,
    ) -> Result<Response<v1::ListRunsResponse>, Status> {
        show::list(&self.app, request.into_inner()).await
    }

    async fn show(
        &self,
        request: Request<v1::ShowRunRequest>,
    ) -> Result<Response<v1::ShowRunResponse>, Status> {
        show::show(&self.app, request.into_inner()).await
    }

    async fn cancel(&self, request: Request<v1::RunCommand>) -> State {
        self.run_command(request, |reason| Command::Cancel { reason }).await
    }

    async fn pause(&self, request: Request<v1::RunCommand>) -> State {
        self.run_command(request, |reason| Command::Pause { reason }).await
    }

    async fn resume(&self, request: Request<v1::RunCommand>) -> State {
        self.run_command(request, |reason| Command::Resume { reason }).await
    }

    async fn unwind(&self, request: Request<v1::RunCommand>) -> State {
        self.run_command(request, |reason| Command::Unwind { reason }).await
    }

    async fn end(&self, request: Request<v1::RunCommand>) -> State {
        self.run_command(request, |reason| Command::End { reason }).await
    }

    async fn approve(&self, request: Request<v1::ApproveRequest>) -> State {
        let caller = Caller::of(&request);
        commands::approve(&self.app, &caller, request.into_inner()).await
    }

    async fn answer(&self, request: Request<v1::AnswerRequest>) -> State {
        let caller = Caller::of(&request);
        commands::answer(&self.app, &caller, request.into_inner()).await
    }

    async fn retry(&self, request: Request<v1::StepCommand>) -> State {
        let caller = Caller::of(&request);
        let make = |step, reason| Command::Retry { step, reason };
        commands::step(&self.app, &caller, request.into_inner(), make).await
    }

    async fn skip(&self, request: Request<v1::StepCommand>) -> State {
        let caller = Caller::of(&request);
        let make = |step, reason| Command::Skip { step, reason };
        commands::step(&self.app, &caller, request.into_inner(), make).await
    }
    async fn waive(&self, request: Request<v1::StepCommand>) -> State {
        let caller = Caller::of(&request);
        let make = |step, reason| Command::Waive { step, reason };
        commands::step(&self.app, &caller, request.into_inner(), make).await
    }
}
