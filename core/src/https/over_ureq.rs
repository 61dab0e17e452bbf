//! A transport over the caller's own `ureq::Agent`.

use std::io::{self, ErrorKind, Read};
use std::time::Instant;

use ureq::http::{HeaderMap, header};
use ureq::{Agent, Body, Timeout};

use super::http1::{BODY_LIMIT, ROOM, advice_when_lost};
use super::rustls::explain;
use super::url::Url;
use crate::error::{Advice, Error, Result};
use crate::options::TlsVersion;
use crate::request::Request;
use crate::response::Headers;
use crate::transport::{Control, Ended, Response, Transport, TransportError, WipedBuffer};
use crate::validate::is_cut_off;

/// A transport over your own `ureq::Agent`: for SOCKS proxies, the platform's verifier, or a custom
/// connector.
///
/// ```
/// use skip_client::Client;
/// use skip_client::transport::UreqTransport;
///
/// let agent = ureq::Agent::config_builder().https_only(true).build().new_agent();
/// let kp = Client::over(Box::new(UreqTransport::new(agent, "https://kp-alice:8443")?)).build()?;
/// # Ok::<(), skip_client::Error>(())
/// ```
///
/// The client's promises hold here too: a request is sent once, on a new connection; redirects are
/// not followed; replies are limited; each call has one deadline. The agent decides the rest, about
/// which this transport cannot promise anything:
///
/// * TLS is configured in the agent: versions, suites, groups, certificates and pins. The client's
///   TLS options have no effect.
/// * A cancelled call ends at its deadline. [`Transport::close`] shuts the agent down, which ends
///   running calls: give each transport its own agent.
/// * ureq keeps the bytes of replies in buffers that are not wiped, and its engine logs them at level TRACE: keep `ureq_proto` below
///   that level.
/// * Only a failure to connect is known to precede the request. For all other failures the advice
///   is a new key.
/// * There is no [`ConnectionInfo`](crate::ConnectionInfo).
pub struct UreqTransport {
    agent: Agent,
    url: Url,
}

impl UreqTransport {
    /// Creates a transport to the Key Provider at `url`.
    ///
    /// # Errors
    /// `invalid_argument` if this is not an `https://` URL of a host.
    pub fn new(agent: Agent, url: &str) -> Result<Self> {
        Ok(Self {
            agent,
            url: Url::parse(url)?,
        })
    }

    /// Converts a failed call; ureq's error says whether anything was sent.
    fn failed(&self, request: &Request, failure: ureq::Error) -> TransportError {
        let unsent = |error| TransportError { error, sent: false };
        let sent = |error| TransportError { error, sent: true };
        let advice = advice_when_lost(request);
        match failure {
            ureq::Error::HostNotFound => unsent(Error::name_not_found(&self.url.host.to_string())),
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                unsent(Error::timed_out("a connection", Advice::SameRequest))
            }
            ureq::Error::Timeout(_) => sent(Error::timed_out("the reply", advice)),
            ureq::Error::ConnectProxyFailed(_) => {
                let proxy = self.agent.config().proxy().map_or("", |proxy| proxy.host());
                unsent(Error::proxy_failed(proxy, None, false))
            }
            ureq::Error::ConnectionFailed => unsent(Error::connect_failed(&self.url.authority, None)),
            ureq::Error::TlsRequired => unsent(Error::tls_not_by_agent()),
            ureq::Error::LargeResponseHeader(..) => sent(Error::headers_too_large()),
            ureq::Error::Protocol(_) => sent(Error::not_http("it has no HTTP/1 head")),
            ureq::Error::Io(error) => match error.kind() {
                kind @ (ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable) => unsent(Error::connect_failed(&self.url.authority, Some(kind))),
                _ => match tls_error(&error) {
                    // an alert can also come after the request
                    Some(error @ ::rustls::Error::AlertReceived(_)) => sent(explain(error, TlsVersion::Auto)),
                    Some(error) if is_of_handshake(error) => unsent(explain(error, TlsVersion::Auto)),
                    _ => sent(Error::connection_lost(advice)),
                },
            },
            _ => sent(Error::connection_lost(advice)),
        }
    }
}

impl Transport for UreqTransport {
    fn exchange(&self, request: &Request, control: &Control<'_>) -> std::result::Result<Response, TransportError> {
        control.check().map_err(|ended| TransportError {
            error: match ended {
                Ended::Deadline => Error::timed_out("a connection", Advice::SameRequest),
                Ended::Cancelled => Error::cancelled(Advice::SameRequest),
            },
            sent: false,
        })?;
        let left = control.deadline.saturating_duration_since(Instant::now());
        let mut reply = self
            .agent
            .get(format!("{}{}", self.url.text, request.target()))
            .header(header::ACCEPT, "application/json")
            .header(header::CACHE_CONTROL, "no-store")
            // further bytes on this connection could be taken for the reply to another request
            .header(header::CONNECTION, "close")
            .config()
            .timeout_global(Some(left))
            .timeout_connect(Some(left.min(control.connect_timeout)))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .build()
            .call()
            .map_err(|failure| self.failed(request, failure))?;
        let (status, headers) = (reply.status().as_u16(), headers(reply.headers()));
        let sent = |error| TransportError { error, sent: true };
        let body = read(reply.body_mut()).map_err(|failure| self.failed(request, failure.into()))?;
        if body.len() > BODY_LIMIT {
            return Err(sent(Error::body_too_large()));
        }
        if reply.body().content_length().is_none() && status == 200 && is_cut_off(body.as_slice()) {
            return Err(sent(Error::connection_lost(advice_when_lost(request))));
        }
        Ok(Response { status, headers, body })
    }

    fn url(&self) -> &str {
        &self.url.text
    }

    fn close(&self) {
        self.agent.clone().shutdown();
    }
}

/// The body, up to a little more than its limit.
fn read(body: &mut Body) -> io::Result<WipedBuffer> {
    let mut reader = body.as_reader();
    let mut buffer = WipedBuffer::default();
    while buffer.len() <= BODY_LIMIT {
        let read = reader.read(buffer.spare(ROOM))?;
        if read == 0 {
            break;
        }
        buffer.advance(read);
    }
    Ok(buffer)
}

fn headers(all: &HeaderMap) -> Headers {
    let text = |name| {
        let value: &ureq::http::HeaderValue = all.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Headers {
        content_type: text(header::CONTENT_TYPE),
        content_encoding: text(header::CONTENT_ENCODING),
        retry_after: text(header::RETRY_AFTER),
    }
}

/// The error of rustls, if the agent uses it.
fn tls_error(error: &io::Error) -> Option<&::rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether an error can only come before a request is sent.
fn is_of_handshake(error: &::rustls::Error) -> bool {
    matches!(
        error,
        ::rustls::Error::InvalidCertificate(_)
            | ::rustls::Error::PeerIncompatible(_)
            | ::rustls::Error::NoCertificatesPresented
    )
}
