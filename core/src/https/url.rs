//! URLs of Key Providers and proxies.

use std::net::{IpAddr, Ipv6Addr};

use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// A host: an address, or a name that has to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

/// `https://host[:port][/path]` (draft 4: an address or a host name, port 443 or any other).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub text: String,
    pub host: Host,
    pub port: u16,
    /// Host and port as the Host header has them: without a port that is the default.
    pub authority: String,
    /// Without a slash at its end.
    pub path: String,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self> {
        let rest = strip_scheme(text, "https://")
            .ok_or_else(|| Error::url("must begin with https://, because SKIP runs over TLS only"))?;
        if rest.contains(['?', '#']) {
            return Err(Error::url("must have no query and no fragment"));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(Error::url(
                "must have no user name or password: give a certificate or a pre-shared key instead",
            ));
        }
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::url(
                "must have a path of printable ASCII; percent-encode the rest",
            ));
        }
        let (host, port) = split_authority(authority, 443).ok_or_else(|| Error::url(AUTHORITY_RULE))?;
        let shown = match &host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        let authority = if port == 443 { shown } else { format!("{shown}:{port}") };
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self {
            text: format!("https://{authority}{path}"),
            host,
            port,
            authority,
            path,
        })
    }

    /// Host and port as a proxy is asked for them.
    pub fn host_and_port(&self) -> String {
        if self.port == 443 {
            format!("{}:443", self.authority)
        } else {
            self.authority.clone()
        }
    }
}

/// `http://[user:password@]host[:port]` of a proxy that understands CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub host: Host,
    pub port: u16,
    /// The value of a Proxy-Authorization header.
    pub authorization: Option<String>,
}

impl Proxy {
    pub fn parse(text: &str) -> Result<Self> {
        let rest = strip_scheme(text, "http://").ok_or_else(|| Error::proxy("must begin with http://"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(Error::proxy("must have no path, query or fragment"));
        }
        let (user, authority) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (host, port) = split_authority(authority, 8080).ok_or_else(|| Error::proxy(AUTHORITY_RULE))?;
        let authorization = user.map(|user| {
            let decoded: Vec<u8> = percent_decode_str(user).collect();
            format!("Basic {}", Base64::encode_string(&decoded))
        });
        Ok(Self {
            host,
            port,
            authorization,
        })
    }
}

const AUTHORITY_RULE: &str =
    "must name a host (IPv6 in brackets, other scripts in their xn-- form) and a port from 1 to 65535";

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

fn split_authority(authority: &str, default_port: u16) -> Option<(Host, u16)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() {
            None
        } else {
            Some(rest.strip_prefix(':')?)
        };
        (Host::Address(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)), port)
    } else {
        let (host, port) = authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port)));
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Address(address),
            Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return None,
        };
        (host, port)
    };
    let port = match port {
        None => default_port,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|port| *port != 0)?,
        Some(_) => return None,
    };
    Some((host, port))
}

/// A DNS name; one whose last label is a number would be read as an address by some.
fn is_name(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_number
}

#[cfg(test)]
mod tests {
    use super::{Host, Proxy, Url};

    #[test]
    fn urls_are_read() {
        for (text, url, host_and_port) in [
            ("https://kp-alice", "https://kp-alice", "kp-alice:443"),
            ("HTTPS://KP-Alice:443/", "https://kp-alice", "kp-alice:443"),
            (
                "https://127.0.0.1:8443/skip/",
                "https://127.0.0.1:8443/skip",
                "127.0.0.1:8443",
            ),
            ("https://[::1]:8443", "https://[::1]:8443", "[::1]:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]", "[2001:db8::1]:443"),
        ] {
            let parsed = Url::parse(text).expect(text);
            assert_eq!(parsed.text, url);
            assert_eq!(parsed.host_and_port(), host_and_port);
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "",
            "kp",
            "http://kp",
            "https://",
            "https://:1",
            "https://kp:0",
            "https://kp:65536",
            "https://kp:+1",
            "https://kp:",
            "https://u:p@kp",
            "https://kp/?a=b",
            "https://kp/#x",
            "https://kp/ä",
            "https://kp/a b",
            "https://::1",
            "https://[::1",
            "https://[::1]x",
            "https://1.2.3",
            "https://a..b",
            "https://a b",
            "https://zürich",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn proxies_are_read() {
        let proxy = Proxy::parse("http://user:p%40ss@proxy:3128/").expect("valid");
        assert_eq!((proxy.host, proxy.port), (Host::Name("proxy".into()), 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        for text in ["https://proxy", "socks5://proxy", "http://", "http://proxy/x"] {
            assert!(Proxy::parse(text).is_err(), "{text}");
        }
    }
}
