//! Connections that failed or were lost.

use super::{Advice, Error, ErrorCode, Remedy};

/// Errors on the way to the Key Provider.
impl Error {
    pub(crate) fn cancelled(advice: Advice) -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            advice,
            "the call was cancelled before its reply came",
            lost(advice),
        )
    }

    pub(crate) fn connection_lost(advice: Advice) -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            advice,
            "the connection was lost before the whole reply came",
            lost(advice),
        )
    }

    pub(crate) fn connection_lost_unsent() -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            Advice::SameRequest,
            "the connection was lost before the request was sent",
            Remedy::AskAgain,
        )
    }

    /// TLS terminators do this when their backend is unreachable.
    pub(crate) fn connection_ended_unanswered(advice: Advice) -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            advice,
            "the connection was closed without an answer to the request",
            match advice {
                Advice::NewKey => Remedy::NewKeyOrServiceDown,
                _ => Remedy::AskAgainOrServiceDown,
            },
        )
    }

    pub(crate) fn timed_out(what: &'static str, advice: Advice) -> Self {
        let remedy = match advice {
            Advice::NewKey => lost(advice),
            _ if what == "the TLS handshake" => Remedy::Set {
                when: "allow more time; a firewall on the path may drop a large ClientHello",
                option: "post_quantum",
                value: "false",
            },
            _ => Remedy::CheckAddressOrAllowTime,
        };
        Self::new(
            ErrorCode::TimedOut,
            advice,
            format!("{what} did not come in time"),
            remedy,
        )
    }

    pub(crate) fn name_not_found(name: &str) -> Self {
        Self::new(
            ErrorCode::ConnectFailed,
            Advice::SameRequest,
            format!("the name {name} has no address"),
            Remedy::CheckName,
        )
    }

    pub(crate) fn connect_failed(to: &str, kind: Option<std::io::ErrorKind>) -> Self {
        use std::io::ErrorKind;
        let (reason, remedy) = match kind {
            Some(ErrorKind::ConnectionRefused) => ("nothing listens there", Remedy::CheckPort),
            Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                ("there is no route to it", Remedy::CheckRoutes)
            }
            Some(ErrorKind::PermissionDenied) => ("the system forbids it", Remedy::CheckFirewall),
            Some(ErrorKind::AddrNotAvailable) => ("no local port or address is free", Remedy::FewerConnections),
            _ => ("the connection did not come up", Remedy::CheckNetwork),
        };
        Self::new(
            ErrorCode::ConnectFailed,
            Advice::SameRequest,
            format!("cannot connect to {to}: {reason}"),
            remedy,
        )
    }

    /// The same error about the proxy instead of the Key Provider.
    pub(crate) fn at_the_proxy(self) -> Self {
        match self.code() {
            code @ (ErrorCode::ConnectFailed | ErrorCode::TimedOut) => {
                let message = format!("the proxy cannot be reached: {}", self.what());
                Self::new(code, self.advice(), message, Remedy::CheckProxy)
            }
            _ => self,
        }
    }

    /// The same error for a client whose hello is small already.
    pub(crate) fn with_small_hello(self) -> Self {
        match self.remedy() {
            Remedy::Set { option, .. } if *option == "post_quantum" => Self::new(
                self.code(),
                self.advice(),
                self.what().to_owned(),
                Remedy::CheckAddressOrAllowTime,
            ),
            _ => self,
        }
    }

    /// `proxy` is its host and port; `has_credentials`, whether a user name was sent.
    pub(crate) fn proxy_failed(proxy: &str, status: Option<u16>, has_credentials: bool) -> Self {
        let (message, remedy) = match status {
            Some(407) if has_credentials => (
                format!("the proxy {proxy} does not accept the user name and password (its status is 407)"),
                Remedy::OtherProxyCredentials,
            ),
            Some(407) => (
                format!("the proxy {proxy} wants a user name and password (its status is 407)"),
                Remedy::ProxyCredentials,
            ),
            Some(status @ 500..) => (
                format!("the proxy {proxy} cannot reach the Key Provider (its status is {status})"),
                Remedy::UrlFromProxy,
            ),
            Some(status) => (
                format!("the proxy {proxy} refused the tunnel (its status is {status})"),
                Remedy::ProxyRules,
            ),
            None => (
                format!("the proxy {proxy} did not open a tunnel"),
                Remedy::ProxyWithConnect,
            ),
        };
        Self::new(ErrorCode::ConnectFailed, Advice::SameRequest, message, remedy)
    }

    pub(crate) fn headers_too_large() -> Self {
        Self::new(
            ErrorCode::ResponseTooLarge,
            Advice::No,
            "the reply has more than 16 KiB or 128 lines of headers",
            Remedy::CheckUrlAndProxy,
        )
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(
            ErrorCode::ResponseTooLarge,
            Advice::No,
            "the reply has a body of more than 64 KiB",
            Remedy::CheckUrlAndProxy,
        )
    }

    pub(crate) fn not_http(reason: &'static str) -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            format!("the reply is not HTTP that can be read: {reason}"),
            Remedy::CheckUrlAndProxy,
        )
    }
}

fn lost(advice: Advice) -> Remedy {
    match advice {
        Advice::NewKey => Remedy::NewKey,
        _ => Remedy::AskAgain,
    }
}
