//! The client and the cancel token.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use skip_client::options::{ClientOption, OPTIONS, OptionKind, parse_seconds};
use skip_client::{Call, ClientBuilder, Error, KeyId, SystemId};

use crate::arguments::{Pem, bits, pem, text};
use crate::errors::OrRaise;
use crate::logs;
use crate::messages::{Capabilities, ConnectionInfo, is_lenient};
use crate::psk::Psk;
use crate::secrets::{Entropy, Key};
use crate::values::{quoted, quoted_text};

/// Cancels calls from another thread.
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
#[pyclass(frozen, subclass, module = "skip_client")]
pub struct Client(pub Arc<skip_client::Client>);

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (url, *, ca=None, cert=None, psk=None, **options))]
    fn new(
        py: Python<'_>,
        url: &Bound<'_, PyAny>,
        ca: Option<&Bound<'_, PyAny>>,
        cert: Option<&Bound<'_, PyAny>>,
        psk: Option<&Psk>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let connection = Connection { ca, cert, psk, options };
        let builder = connection.apply(py, urls(url)?)?;
        // reading the system's certificate store can take a moment
        let client = py.detach(|| builder.build()).or_raise(py)?;
        Ok(Self(Arc::new(client)))
    }

    #[pyo3(signature = (*, refresh=false, timeout=None, cancel=None))]
    fn capabilities(
        &self,
        py: Python<'_>,
        refresh: bool,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Capabilities> {
        self.run(py, timeout, cancel, |call| {
            if refresh {
                call.refresh_capabilities()
            } else {
                call.capabilities()
            }
        })
        .map(|found| Capabilities::from(&*found))
    }

    #[pyo3(signature = (remote, size=None, *, timeout=None, cancel=None))]
    fn new_key(
        &self,
        py: Python<'_>,
        remote: &Bound<'_, PyAny>,
        size: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Key> {
        let remote = system_id(remote)?;
        let size = bits("size", size)?;
        let ask = |call: Call<'_>| match size {
            Some(size) => call.size(size).new_key(&remote),
            None => call.new_key(&remote),
        };
        self.run(py, timeout, cancel, ask).map(Key::from)
    }

    #[pyo3(signature = (key_id, remote, *, timeout=None, cancel=None))]
    fn key_by_id(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        remote: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Key> {
        let remote = system_id(remote)?;
        let id = self::key_id(&self.0, key_id)?;
        self.run(py, timeout, cancel, |call| call.key_by_id(&id, &remote))
            .map(Key::from)
    }

    #[pyo3(signature = (bits=None, *, timeout=None, cancel=None))]
    fn entropy(
        &self,
        py: Python<'_>,
        bits: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
    ) -> PyResult<Entropy> {
        let bits = crate::arguments::bits("bits", bits)?;
        self.run(py, timeout, cancel, |call| call.entropy(bits))
            .map(Entropy::from)
    }

    #[getter]
    fn connection(&self) -> Option<ConnectionInfo> {
        self.0.connection().map(ConnectionInfo::from)
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
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

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = match self.0.urls().as_slice() {
            [url] => quoted_text(py, url)?,
            urls => quoted(PyList::new(py, urls)?.as_any())?,
        };
        Ok(format!("Client({shown})"))
    }

    #[allow(clippy::unused_self)]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "Client objects cannot be copied or pickled: make another from the same arguments",
        ))
    }
}

impl Client {
    /// Makes a call without the GIL. Python's signal handlers run while it waits, and an exception from them (Ctrl-C)
    /// cancels it.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
        ask: impl FnOnce(Call<'_>) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let timeout = call_timeout(py, timeout)?;
        logs::follow_level(py)?;
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
            if let Some(timeout) = timeout {
                call = call.timeout(timeout);
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

/// The connection arguments, as passed from Python.
pub struct Connection<'a, 'py> {
    pub ca: Option<&'a Bound<'py, PyAny>>,
    pub cert: Option<&'a Bound<'py, PyAny>>,
    pub psk: Option<&'a Psk>,
    /// The options of the core's table other than credentials.
    pub options: Option<&'a Bound<'py, PyDict>>,
}

impl Connection<'_, '_> {
    pub fn apply(&self, py: Python<'_>, mut builder: ClientBuilder) -> PyResult<ClientBuilder> {
        if let Some(ca) = self.ca {
            let system = ca
                .cast::<PyString>()
                .is_ok_and(|name| name.to_str().is_ok_and(|name| name == "system"));
            builder = if system {
                builder.ca_system()
            } else {
                match pem("ca", ca)? {
                    Pem::Bytes(pem) => builder.ca_pem(pem),
                    Pem::File(path) => builder.ca_file(path),
                }
            };
        }
        if let Some(cert) = self.cert {
            // PKCS#12 includes the key
            let (cert, key) = match cert.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() {
                Ok((cert, key)) => (cert, Some(key)),
                Err(_) => (cert.clone(), None),
            };
            let (mut cert_pem, mut key_pem) = (Vec::new(), Vec::new());
            let wrong =
                |_| PyTypeError::new_err("cert must be a pair: certificate and private key; or PKCS#12 with both");
            match pem("cert", &cert).map_err(wrong)? {
                Pem::Bytes(pem) => cert_pem = pem,
                Pem::File(path) => builder = builder.cert_file(path),
            }
            match key.map(|key| pem("key", &key)).transpose()? {
                Some(Pem::Bytes(pem)) => key_pem = pem,
                Some(Pem::File(path)) => builder = builder.key_file(path),
                None => {}
            }
            builder = builder.client_cert_pem(cert_pem, key_pem);
        }
        if let Some(psk) = self.psk {
            builder = builder.psk(psk.0.clone());
        }
        let given = |name: &str| {
            let value = self.options.map_or(Ok(None), |options| options.get_item(name))?;
            value.map_or(Ok(None), |value| value.extract::<Option<bool>>())
        };
        if let Some(strict) = given("strict")? {
            builder = builder.lenient(is_lenient(py, given("lenient")?, Some(strict))?);
        }
        for (name, value) in self.options.into_iter().flat_map(PyDictMethods::iter) {
            let name = text("name", &name)?;
            if name == "strict" {
                continue;
            }
            if name == "key_password" {
                builder = key_password(builder, &value)?;
                continue;
            }
            let option = OPTIONS
                .iter()
                .find(|option| option.name == name && !option.kind.is_credential())
                .ok_or_else(|| PyTypeError::new_err(format!("unexpected keyword argument '{name}'")))?;
            if let Some(value) = setting(option, &value)? {
                builder = builder.set(option.name, &value).or_raise(py)?;
            }
        }
        Ok(builder)
    }
}

/// A password as `str` or `bytes`, or a path object of a file that has it.
fn key_password(builder: ClientBuilder, value: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    Ok(if value.is_none() {
        builder
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        builder.key_password(bytes.as_bytes())
    } else if value.is_instance_of::<PyString>() {
        builder.key_password(text("key_password", value)?)
    } else if let Ok(path) = value.extract::<PathBuf>() {
        builder.key_password_file(path)
    } else {
        return Err(PyTypeError::new_err(
            "key_password must be a str, bytes, or a pathlib.Path",
        ));
    })
}

/// The value of an option as text; `None` for Python's None, which is the default.
fn setting(option: &ClientOption, value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let wrong = |wanted| move |_| PyTypeError::new_err(format!("{} must be {wanted}", option.name));
    Ok(Some(match option.kind {
        OptionKind::Flag { .. } => value.extract::<bool>().map_err(wrong("a bool"))?.to_string(),
        OptionKind::Seconds { .. } => value
            .extract::<f64>()
            .map_err(wrong("a number of seconds"))?
            .to_string(),
        _ if value.is_none() => return Ok(None),
        _ => text(option.name, value)?,
    }))
}

/// The timeout of a single call.
pub fn call_timeout(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let timeout = seconds.map(|seconds| parse_seconds("timeout", &seconds.to_string(), false));
    timeout.transpose().or_raise(py)
}

fn urls(url: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    let list = if url.is_instance_of::<PyString>() {
        vec![text("url", url)?]
    } else {
        let list: Vec<Bound<'_, PyAny>> = url
            .extract()
            .map_err(|_| PyTypeError::new_err("url must be a str, or a list of them"))?;
        list.iter().map(|url| text("url", url)).collect::<PyResult<_>>()?
    };
    skip_client::Client::of_urls(list).or_raise(url.py())
}

/// Parses a keyId by the client's rules.
pub fn key_id(client: &skip_client::Client, key_id: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    let id = text("key_id", key_id)?;
    let id = KeyId::parse(&id, client.rules());
    id.or_raise(key_id.py())
}

/// The id of the Key Provider at the other end.
pub fn system_id(remote: &Bound<'_, PyAny>) -> PyResult<SystemId> {
    SystemId::new(&text("remote", remote)?).or_raise(remote.py())
}
