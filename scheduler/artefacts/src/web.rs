//! Files on other machines, over HTTP.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use object_store::client::{
    HttpClient, HttpConnector as StoreConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};
use tokio::time::{Sleep, sleep, timeout};

use crate::Fault;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// What is sent at least in a second, or the other side is taken to be gone.
const SLOWEST: u64 = 64 << 10;
/// How often one is sent elsewhere before it is enough.
const REDIRECTS: usize = 5;

/// A client for HTTP and HTTPS, with the certificates that this machine trusts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Web(Client<HttpsConnector<HttpConnector>, HttpRequestBody>);

/// What comes from a web server, with an end to waiting for it.
#[derive(Debug)]
pub struct Body {
    inner: Patient,
    /// Where in the file it begins.
    pub offset: u64,
    /// How long the whole file is, if the server says so.
    pub bytes: Option<u64>,
    /// By which the server tells this version of the file from others.
    pub version: Option<String>,
}

impl Web {
    /// A client.
    ///
    /// # Errors
    ///
    /// If this machine has no list of certificates that it trusts.
    pub fn new() -> Result<Self, Fault> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(Fault::remote("find the certificates to trust for", "https://"))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self(Client::builder(TokioExecutor::new()).build(https)))
    }

    /// Asks for a file from `offset` on, of the `version` of which the bytes before came. A server that cannot do
    /// that, or has another version by now, sends it from the beginning.
    pub async fn get(&self, url: &str, offset: u64, version: Option<&str>) -> Result<Body, Fault> {
        let fault = |problem: String| Fault::BadAddress { address: url.to_owned(), problem };
        let mut at: Uri = url.parse().map_err(|error| fault(format!("{error}")))?;
        // Without a version nobody knows whether the rest would fit to what came before.
        let resume = version.filter(|_| offset > 0);
        for _ in 0..=REDIRECTS {
            if !matches!(at.scheme_str(), Some("http" | "https")) || at.host().is_none() {
                return Err(fault("it is no address of a web server".into()));
            }
            let mut request = Request::builder().method(Method::GET).uri(&at);
            let host = at.authority().map_or("", http::uri::Authority::as_str);
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            request = request.header(http::header::HOST, host);
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(version) = resume {
                request = request.header(RANGE, format!("bytes={offset}-"));
                request = request.header(IF_RANGE, version);
            }
            let request =
                request.body(HttpRequestBody::empty()).map_err(|error| fault(error.to_string()))?;
            let answer = self.send(request).await.map_err(Fault::remote("fetch", url))?;
            let status = answer.status();
            if status.is_redirection() && answer.headers().contains_key(LOCATION) {
                at = redirect(&at, &answer).map_err(fault)?;
                continue;
            }
            if status != StatusCode::OK && status != StatusCode::PARTIAL_CONTENT {
                let text = format!("the server says {status}");
                return if status.is_client_error()
                    && status != StatusCode::REQUEST_TIMEOUT
                    && status != StatusCode::TOO_MANY_REQUESTS
                {
                    Err(fault(text))
                } else {
                    Err(Fault::remote("fetch", url)(text))
                };
            }
            return Body::of(answer, resume.map(|_| offset)).map_err(fault);
        }
        Err(fault(format!("it sends one elsewhere more than {REDIRECTS} times")))
    }

    /// Sends a request and waits for the head of its answer.
    async fn send(
        &self,
        request: Request<HttpRequestBody>,
    ) -> Result<Response<Patient>, HttpError> {
        let bytes = request.body().content_length() as u64;
        let patience = SILENCE + Duration::from_secs(bytes / SLOWEST);
        let answer = timeout(patience, self.0.request(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(|error| {
            let kind =
                if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
            HttpError::new(kind, error)
        })?;
        Ok(answer.map(Patient::new))
    }
}

/// Where an answer sends one. Never from a protected address to an open one.
fn redirect(at: &Uri, answer: &Response<Patient>) -> Result<Uri, String> {
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
    let scheme = at.scheme_str().unwrap_or("http");
    let host = at.authority().map_or("", http::uri::Authority::as_str);
    let whole = if to.contains("://") {
        to.to_owned()
    } else if to.starts_with("//") {
        format!("{scheme}:{to}")
    } else if to.starts_with('/') {
        format!("{scheme}://{host}{to}")
    } else {
        let before = at.path().rsplit_once('/').map_or("", |(before, _)| before);
        format!("{scheme}://{host}{before}/{to}")
    };
    let uri: Uri = whole.parse().map_err(|error| format!("it sends one to {to:?}: {error}"))?;
    if at.scheme_str() == Some("https") && uri.scheme_str() != Some("https") {
        return Err(format!("it sends one from https to {uri}"));
    }
    Ok(uri)
}

impl Body {
    fn of(answer: Response<Patient>, asked: Option<u64>) -> Result<Self, String> {
        let text = |name| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        // A weak tag does not promise the same bytes.
        let version =
            text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED));
        let (mut offset, mut bytes) = (0, hyper::body::Body::size_hint(answer.body()).exact());
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = text(CONTENT_RANGE).unwrap_or_default();
            let parsed = range.strip_prefix("bytes ").and_then(|range| {
                let (from, rest) = range.split_once('-')?;
                let (_, all) = rest.split_once('/')?;
                Some((from.parse::<u64>().ok()?, all.parse::<u64>().ok()))
            });
            let Some((from, all)) = parsed.filter(|(from, _)| Some(*from) == asked) else {
                return Err(format!(
                    "the server sends the range {range:?}, which was not asked for"
                ));
            };
            (offset, bytes) = (from, all);
        }
        Ok(Self { inner: answer.into_body(), offset, bytes, version })
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(frame) = self.inner.frame().await {
            let frame = frame.map_err(Fault::remote("fetch", "the rest of a file"))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// A body that ends with an error if nothing comes for too long.
#[derive(Debug)]
struct Patient {
    inner: Incoming,
    silence: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Patient {
    fn new(inner: Incoming) -> Self {
        Self { inner, silence: Box::pin(sleep(SILENCE)), waiting: false }
    }
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.waiting = false;
            let frame = frame.map(|frame| {
                frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))
            });
            return Poll::Ready(frame);
        }
        if !self.waiting {
            // Time that its reader took is not silence.
            self.waiting = true;
            self.silence = Box::pin(sleep(SILENCE));
        }
        ready!(self.silence.as_mut().poll(context));
        let late = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("nothing came for {} s", SILENCE.as_secs()),
        );
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, late))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        hyper::body::Body::size_hint(&self.inner)
    }
}

/// The same client for buckets.
#[derive(Debug, Clone)]
pub(crate) struct Connector(pub(crate) Web);

impl StoreConnector for Connector {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok(self.0.send(request).await?.map(HttpResponseBody::new))
    }
}

#[cfg(test)]
mod tests;
