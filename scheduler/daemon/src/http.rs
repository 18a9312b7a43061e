//! What is not gRPC: `/healthz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::metrics::Format;
use crate::shared::Shared;

#[derive(Clone)]
struct Site {
    shared: Arc<Shared>,
    healthy: watch::Receiver<bool>,
}

/// The pages that are not gRPC.
pub(crate) fn pages(shared: Arc<Shared>, healthy: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state(Site { shared, healthy })
}

async fn health(State(site): State<Site>) -> Response {
    if *site.healthy.borrow() {
        (StatusCode::OK, "serving\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not serving\n").into_response()
    }
}

async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let wants_open =
        accepted.into_iter().any(|value| value.contains("application/openmetrics-text"));
    let (format, kind) = if wants_open {
        (Format::OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (Format::Plain, "text/plain; version=0.0.4; charset=utf-8")
    };
    let Site { shared, .. } = site;
    let links = shared.links.count();
    let text = shared.metrics.encode(&shared.published.read(), links, format);
    ([(CONTENT_TYPE, kind)], text).into_response()
}
