//! The client, and the token that ends its calls.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use skip_client::{Call, ClientBuilder, Error, KeyId, SystemId, TlsVersion};

use crate::arguments::{bits, pem, seconds, text};
use crate::errors::{OrRaise, raise};
use crate::messages::{Capabilities, ConnectionInfo};
use crate::psk::Psk;
use crate::secrets::{Entropy, Key};

/// Ends calls from another thread.
#[pyclass(frozen, module = "skip_client")]
pub struct CancelToken(skip_client::CancelToken);

#[pymethods]
impl CancelToken {
    #[new]
    fn new() -> Self {
        Self(skip_client::CancelToken::new())
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// A client of one Key Provider, or of several in order of preference.
#[pyclass(frozen, module = "skip_client")]
pub struct Client(pub Arc<skip_client::Client>);

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        url, *, ca=None, cert=None, psk=None, server_name=None, pin=None, tls="auto", timeout=10.0, connect_timeout=3.0,
        proxy=None, strict=true, check_remote=true, wait_when_busy=0.0, legacy=false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        url: &Bound<'_, PyAny>,
        ca: Option<&Bound<'_, PyAny>>,
        cert: Option<&Bound<'_, PyAny>>,
        psk: Option<&Psk>,
        server_name: Option<&Bound<'_, PyAny>>,
        pin: Option<&Bound<'_, PyAny>>,
        tls: &str,
        timeout: f64,
        connect_timeout: f64,
        proxy: Option<&Bound<'_, PyAny>>,
        strict: bool,
        check_remote: bool,
        wait_when_busy: f64,
        legacy: bool,
    ) -> PyResult<Self> {
        let connection = Connection {
            ca,
            cert,
            psk,
            server_name,
            pin,
            tls,
            timeout,
            connect_timeout,
            proxy,
        };
        let builder = connection
            .apply(py, urls(url)?)?
            .wait_when_busy(seconds(py, "wait_when_busy", wait_when_busy, true)?)
            .lenient(!strict)
            .check_remote(check_remote)
            .legacy(legacy);
        // reading the system's certificate store can take a moment
        let client = py.detach(|| builder.build()).or_raise(py)?;
        Ok(Self(Arc::new(client)))
    }

    #[pyo3(signature = (*, refresh=false, cancel=None))]
    fn capabilities(&self, py: Python<'_>, refresh: bool, cancel: Option<&CancelToken>) -> PyResult<Capabilities> {
        self.run(py, cancel, |call| {
            if refresh {
                call.refresh_capabilities()
            } else {
                call.capabilities()
            }
        })
        .map(Capabilities)
    }

    #[pyo3(signature = (remote, size=None, *, cancel=None))]
    fn new_key(
        &self,
        py: Python<'_>,
        remote: &Bound<'_, PyAny>,
        size: Option<&Bound<'_, PyAny>>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Key> {
        let remote = system_id(remote)?;
        let size = bits(size)?;
        let ask = |call: Call<'_>| match size {
            Some(size) => call.size(size).new_key(&remote),
            None => call.new_key(&remote),
        };
        self.run(py, cancel, ask).map(Key::from)
    }

    #[pyo3(signature = (key_id, remote, *, cancel=None))]
    fn key_by_id(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        remote: &Bound<'_, PyAny>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Key> {
        let remote = system_id(remote)?;
        let id = self::key_id(&self.0, key_id)?;
        self.run(py, cancel, |call| call.key_by_id(&id, &remote)).map(Key::from)
    }

    #[pyo3(signature = (bits=None, *, cancel=None))]
    fn entropy(
        &self,
        py: Python<'_>,
        bits: Option<&Bound<'_, PyAny>>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Entropy> {
        let bits = crate::arguments::bits(bits)?;
        self.run(py, cancel, |call| call.entropy(bits)).map(Entropy::from)
    }

    #[getter]
    fn connection(&self) -> Option<ConnectionInfo> {
        self.0.connection().map(ConnectionInfo::from)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Client {
    /// One call without the GIL. Python's own signal handlers run while it waits, and what they raise (Ctrl-C) ends it.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        cancel: Option<&CancelToken>,
        ask: impl FnOnce(Call<'_>) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let (answer, raised) = py.detach(|| {
            let raised = RefCell::new(None);
            let interrupted = || {
                // the method itself is not general enough in its lifetime for attach
                #[allow(clippy::redundant_closure_for_method_calls)]
                let signal = Python::attach(|py| py.check_signals());
                signal.map_err(|error| *raised.borrow_mut() = Some(error)).is_err()
            };
            let mut call = self.0.call().interrupted(&interrupted);
            if let Some(token) = cancel {
                call = call.cancel(&token.0);
            }
            let answer = ask(call);
            (answer, raised.into_inner())
        });
        match raised {
            Some(raised) => Err(raised),
            None => answer.or_raise(py),
        }
    }
}

/// The arguments that say how to connect, as Python gives them.
pub struct Connection<'a, 'py> {
    pub ca: Option<&'a Bound<'py, PyAny>>,
    pub cert: Option<&'a Bound<'py, PyAny>>,
    pub psk: Option<&'a Psk>,
    pub server_name: Option<&'a Bound<'py, PyAny>>,
    pub pin: Option<&'a Bound<'py, PyAny>>,
    pub tls: &'a str,
    pub timeout: f64,
    pub connect_timeout: f64,
    pub proxy: Option<&'a Bound<'py, PyAny>>,
}

impl Connection<'_, '_> {
    pub fn apply(&self, py: Python<'_>, builder: ClientBuilder) -> PyResult<ClientBuilder> {
        let mut builder = builder
            .tls(self.tls.parse::<TlsVersion>().or_raise(py)?)
            .timeout(seconds(py, "timeout", self.timeout, false)?)
            .connect_timeout(seconds(py, "connect_timeout", self.connect_timeout, false)?);
        if let Some(ca) = self.ca {
            let system = ca
                .cast::<PyString>()
                .is_ok_and(|name| name.to_str().is_ok_and(|name| name == "system"));
            builder = if system {
                builder.ca_system()
            } else {
                builder.ca_pem(pem("ca", ca)?)
            };
        }
        if let Some(cert) = self.cert {
            let (cert, key): (Bound<'_, PyAny>, Bound<'_, PyAny>) = cert
                .extract()
                .map_err(|_| PyTypeError::new_err("cert must be a pair: certificate and private key"))?;
            builder = builder.client_cert_pem(pem("cert", &cert)?, pem("key", &key)?);
        }
        if let Some(psk) = self.psk {
            builder = builder.psk(psk.0.clone());
        }
        if let Some(name) = self.server_name {
            builder = builder.server_name(&text("server_name", name)?);
        }
        if let Some(pin) = self.pin {
            builder = builder.pin(&text("pin", pin)?);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(&text("proxy", proxy)?);
        }
        Ok(builder)
    }
}

fn urls(url: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    let py = url.py();
    if url.is_instance_of::<PyString>() {
        return skip_client::Client::builder(&text("url", url)?).or_raise(py);
    }
    let list: Vec<Bound<'_, PyAny>> = url
        .extract()
        .map_err(|_| PyTypeError::new_err("url must be a str, or a list of them"))?;
    let Some((first, others)) = list.split_first() else {
        let error = Error::invalid_argument(
            "url",
            "must name at least one key provider",
            "for example https://kp-alice:8443",
        );
        return Err(raise(py, &error));
    };
    let mut builder = skip_client::Client::builder(&text("url", first)?).or_raise(py)?;
    for url in others {
        builder = builder.or_url(&text("url", url)?).or_raise(py)?;
    }
    Ok(builder)
}

/// A keyId, as strict as the client.
pub fn key_id(client: &skip_client::Client, key_id: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    let id = text("key_id", key_id)?;
    let id = KeyId::parse(&id, client.rules());
    id.or_raise(key_id.py())
}

/// The id of the Key Provider at the other end.
pub fn system_id(remote: &Bound<'_, PyAny>) -> PyResult<SystemId> {
    SystemId::new(&text("remote", remote)?).or_raise(remote.py())
}
