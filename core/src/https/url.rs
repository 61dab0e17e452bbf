//! URLs of Key Providers and proxies.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// A host: an address, or a name to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// A link-local address and its interface, `fe80::1` and `eth0` (RFC 6874).
    Zoned(Ipv6Addr, String),
    Name(String),
}

/// As in a URL.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Zoned(address, zone) => write!(f, "[{address}%{zone}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// `https://host[:port][/path]` (draft 4: an address or a host name, port 443 or any other).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub text: String,
    pub host: Host,
    pub port: u16,
    /// Host and port as in the Host header, which omits the default port.
    pub authority: String,
    /// Without a trailing slash.
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
        let (host, port) = split_authority(authority, 443).map_err(Error::url)?;
        let path = path.trim_end_matches('/').to_owned();
        if path.ends_with("/capabilities") {
            return Err(Error::url_with_method());
        }
        let with_port = |host: String| if port == 443 { host } else { format!("{host}:{port}") };
        // the zone is local to this machine: RFC 6874 keeps it out of requests
        let authority = with_port(match &host {
            Host::Zoned(address, _) => format!("[{address}]"),
            other => other.to_string(),
        });
        Ok(Self {
            text: format!("https://{}{path}", with_port(host.to_string())),
            host,
            port,
            authority,
            path,
        })
    }

    /// Host and port as in a CONNECT request.
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
    /// For messages.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let rest = strip_scheme(text, "http://").ok_or_else(|| Error::proxy("must begin with http://"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(Error::proxy("must have no path, query or fragment"));
        }
        let (user, authority) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (host, port) = split_authority(authority, 8080).map_err(Error::proxy)?;
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

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

/// Splits host and port, or returns the rule that they break.
fn split_authority(authority: &str, default_port: u16) -> std::result::Result<(Host, u16), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(Error::AUTHORITY_RULE)?;
        let port = if rest.is_empty() {
            None
        } else {
            Some(rest.strip_prefix(':').ok_or(Error::AUTHORITY_RULE)?)
        };
        (ipv6(address).ok_or(Error::AUTHORITY_RULE)?, port)
    } else {
        let (host, port) = authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port)));
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Address(address),
            Err(_) if is_number(host) => return Err(Error::NUMBER_RULE),
            Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return Err(Error::AUTHORITY_RULE),
        };
        (host, port)
    };
    let port = match port {
        None => default_port,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(Error::AUTHORITY_RULE)?,
        Some(_) => return Err(Error::AUTHORITY_RULE),
    };
    Ok((host, port))
}

/// An address, optionally with a zone after `%` (as the system spells it) or `%25` (as in RFC 6874).
fn ipv6(text: &str) -> Option<Host> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(Host::Address(text.parse().map(IpAddr::V6).ok()?));
    };
    let zone = zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone);
    let is_zone = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    Some(Host::Zoned(address.parse().ok().filter(|_| is_zone)?, zone.to_owned()))
}

/// Whether the last label is a number, decimal or like `0x7f000001`: some programs read that as an IPv4 address.
fn is_number(host: &str) -> bool {
    let last = host
        .strip_suffix('.')
        .unwrap_or(host)
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// A DNS name.
fn is_name(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= 253 && name.split('.').all(label)
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
            (
                "https://[2001:DB8:0:0::1]",
                "https://[2001:db8::1]",
                "[2001:db8::1]:443",
            ),
            (
                "https://[fe80::1%eth0]:8443/a",
                "https://[fe80::1%eth0]:8443/a",
                "[fe80::1]:8443",
            ),
            ("https://[fe80::1%25eth0]", "https://[fe80::1%eth0]", "[fe80::1]:443"),
            ("https://[fe80::1%25]", "https://[fe80::1%25]", "[fe80::1]:443"),
            ("https://0xkp.example", "https://0xkp.example", "0xkp.example:443"),
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
            "https://[fe80::1%]",
            "https://[fe80::1%a b]",
            "https://[fe80%eth0]",
            "https://kp/skip/capabilities/",
            "https://a..b",
            "https://a b",
            "https://zürich",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_some_read_as_an_address_are_named() {
        for text in [
            "0x7f000001",
            "0X7F.1",
            "2130706433",
            "127.1",
            "0177.0.0.1",
            "1.2.3.4.5",
            "a.0x",
            "127.0.0.1.",
        ] {
            let error = Url::parse(&format!("https://{text}")).expect_err(text);
            assert!(error.message().contains("four decimal numbers"), "{text}: {error}");
        }
        let error = Url::parse("https://kp/capabilities").expect_err("not the base URL");
        assert!(error.message().contains("/capabilities"), "{error}");
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
