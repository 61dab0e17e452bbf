//! The way to one Key Provider: addresses, proxy, TCP connections.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::options::Options;
use crate::transport::{Control, Socket, Watch};

use super::connection::Wire;
use super::dial;
use super::url::{Proxy, Url};

/// Where a Key Provider is, and how to get there.
pub(super) struct Route {
    pub url: Url,
    proxy: Option<Proxy>,
    /// Without the credentials.
    options: Options,
}

impl Route {
    pub fn new(url: Url, options: &Options) -> Result<Self> {
        Ok(Self {
            url,
            proxy: options.proxy.as_deref().map(Proxy::parse).transpose()?,
            options: options.without_credentials(),
        })
    }

    /// Whether the `ClientHello` is small.
    pub fn has_small_hello(&self) -> bool {
        !self.options.post_quantum
    }

    /// The addresses to try.
    pub fn resolve(&self, connecting: &Control<'_>) -> Result<Vec<SocketAddr>> {
        let (host, port) = self
            .proxy
            .as_ref()
            .map_or((&self.url.host, self.url.port), |p| (&p.host, p.port));
        dial::resolve(host, port, connecting).map_err(|error| self.of_the_next_hop(error))
    }

    /// With a proxy, what cannot be reached is the proxy.
    fn of_the_next_hop(&self, error: Error) -> Error {
        match self.proxy {
            Some(_) => error.at_the_proxy(),
            None => error,
        }
    }

    /// Opens a TCP connection, through the proxy if there is one.
    pub fn open_socket(&self, addresses: &[SocketAddr], connecting: &Control<'_>) -> Result<(Arc<Socket>, SocketAddr)> {
        let (socket, address) =
            dial::connect(addresses, &self.options, connecting).map_err(|error| self.of_the_next_hop(error))?;
        if let Some(proxy) = &self.proxy {
            let _watch = connecting.watch(&socket);
            dial::tunnel(&socket, proxy, &self.url, connecting)?;
        }
        Ok((socket, address))
    }
}

/// Opens TCP connections to one Key Provider, for handshake attempts.
pub(super) struct Dialer<'a> {
    route: &'a Route,
    pub control: &'a Control<'a>,
    /// The resolved addresses; after the first connection only the one that answered.
    addresses: Vec<SocketAddr>,
}

impl<'a> Dialer<'a> {
    pub fn new(route: &'a Route, control: &'a Control<'a>) -> Result<Self> {
        Ok(Self {
            route,
            control,
            addresses: route.resolve(control)?,
        })
    }

    /// The Key Provider's URL, for messages.
    #[cfg(feature = "psk")]
    pub fn url(&self) -> &'a str {
        &self.route.url.text
    }

    /// The address of the last connection.
    pub fn address(&self) -> String {
        self.addresses.first().map(SocketAddr::to_string).unwrap_or_default()
    }

    /// Opens a connection that is shut down when the call is cancelled or the client closed, while the guards live.
    pub fn dial(&mut self) -> Result<(Wire, [Option<Watch<'a>>; 2])> {
        let (socket, address) = self.route.open_socket(&self.addresses, self.control)?;
        self.addresses = vec![address];
        let watch = self.control.watch(&socket);
        Ok((Wire::new(socket), watch))
    }
}
