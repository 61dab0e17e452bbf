//! The examination of a Key Provider.

use std::cell::RefCell;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use skip_client::error::FrontEnd;
use skip_client::{Client, Error, SystemId};
use skip_client_doctor::{Examination, Id, Profile};

use crate::arguments::text;
use crate::client::Connection;
use crate::errors::OrRaise;
use crate::psk::Psk;
use crate::values::{self, quoted_text};

/// A check and its result.
#[pyclass(frozen, module = "skip_client", get_all)]
#[derive(Clone)]
pub struct Check {
    id: &'static str,
    section: &'static str,
    level: &'static str,
    result: &'static str,
    message: String,
    remedy: String,
    title: &'static str,
    about: &'static str,
    page: &'static str,
    provider_text: String,
    evidence: Vec<String>,
}

impl From<&skip_client_doctor::Check> for Check {
    fn from(check: &skip_client_doctor::Check) -> Self {
        Self {
            id: check.id.as_str(),
            section: check.id.section(),
            level: check.level.as_str(),
            result: check.result.as_str(),
            message: check.message.clone(),
            remedy: check.remedy.clone(),
            title: check.id.title(),
            about: check.id.about(),
            page: check.id.page(),
            provider_text: check.provider_text.clone(),
            evidence: check.evidence.clone(),
        }
    }
}

#[pymethods]
impl Check {
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        values::repr(slf.as_any(), &["id", "result", "message"])
    }
}

/// The results of an examination.
#[pyclass(frozen, module = "skip_client")]
pub struct Report(skip_client_doctor::Report);

#[pymethods]
impl Report {
    #[getter]
    fn verdict(&self) -> &'static str {
        self.0.verdict().as_str()
    }

    #[getter]
    fn checks(&self) -> Vec<Check> {
        self.0.checks.iter().map(Check::from).collect()
    }

    #[getter]
    fn summary(&self) -> String {
        skip_client_doctor::summary(&self.0)
    }

    #[getter]
    fn profile(&self) -> &'static str {
        self.0.profile.as_str()
    }

    #[getter]
    fn remote(&self) -> Option<&str> {
        self.0.remote.as_deref()
    }

    #[getter]
    fn keys_used(&self) -> u32 {
        self.0.keys.used
    }

    #[getter]
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn __getitem__(&self, id: &str) -> PyResult<Check> {
        let found = self.0.checks.iter().find(|check| check.id.as_str() == id);
        found.map(Check::from).ok_or_else(|| PyKeyError::new_err(id.to_owned()))
    }

    fn json(&self) -> String {
        skip_client_doctor::json(&self.0)
    }

    fn junit(&self) -> String {
        skip_client_doctor::junit(&self.0)
    }

    fn html(&self) -> String {
        skip_client_doctor::html(&self.0)
    }

    fn __str__(&self) -> String {
        skip_client_doctor::text(&self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let url = quoted_text(py, &self.0.url)?;
        Ok(format!("Report(url={url}, verdict='{}')", self.verdict()))
    }
}

#[pyfunction]
#[pyo3(signature = (
    url, *, peer=None, remote=None, profile="draft", budget=200, only=None, ca=None, cert=None, psk=None, peer_ca=None,
    peer_cert=None, peer_psk=None, **options
))]
#[allow(clippy::too_many_arguments)]
pub fn doctor(
    py: Python<'_>,
    url: &Bound<'_, PyAny>,
    peer: Option<&Bound<'_, PyAny>>,
    remote: Option<&Bound<'_, PyAny>>,
    profile: &str,
    budget: u32,
    only: Option<Vec<String>>,
    ca: Option<&Bound<'_, PyAny>>,
    cert: Option<&Bound<'_, PyAny>>,
    psk: Option<&Psk>,
    peer_ca: Option<&Bound<'_, PyAny>>,
    peer_cert: Option<&Bound<'_, PyAny>>,
    peer_psk: Option<&Psk>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Report> {
    // credentials of another kind replace all of the first end's
    let peer_is_psk = peer_psk.is_some() || psk.is_some() && peer_ca.is_none() && peer_cert.is_none();
    let (here, there) = of_each_end(py, options, peer_is_psk == psk.is_some())?;
    let connection = Connection {
        ca,
        cert,
        psk,
        options: Some(&here),
    };
    let of_peer = Connection {
        ca: peer_ca.or(if peer_is_psk { None } else { ca }),
        cert: peer_cert.or(if peer_is_psk { None } else { cert }),
        psk: peer_psk.or(if peer_is_psk { psk } else { None }),
        options: Some(&there),
    };
    let probe = |field: &str, url: &Bound<'_, PyAny>, connection: &Connection<'_, '_>| {
        let builder = Client::builder(&text(field, url)?).or_raise(py)?;
        connection.apply(py, builder)?.probe().or_raise(py)
    };
    let here = probe("url", url, &connection)?;
    let there = peer.map(|peer| probe("peer", peer, &of_peer)).transpose()?;
    let named = |name: &String| {
        Id::of_name(name).ok_or_else(|| {
            Error::invalid_argument("only", "must be ids of checks", "skip-client doctor --list shows them")
        })
    };
    let only = only
        .iter()
        .flatten()
        .map(named)
        .collect::<Result<Vec<_>, _>>()
        .or_raise(py)?;
    let remote = remote
        .map(|remote| SystemId::new(&text("remote", remote)?).or_raise(py))
        .transpose()?;
    let profile: Profile = profile.parse().or_raise(py)?;
    let (report, raised) = py.detach(|| {
        let raised = RefCell::new(None);
        let interrupted = || {
            // the method itself is not general enough in its lifetime for attach
            #[allow(clippy::redundant_closure_for_method_calls)]
            // a signal is reported once, and ends the whole examination
            if raised.borrow().is_none()
                && let Err(error) = Python::attach(|py| py.check_signals())
            {
                *raised.borrow_mut() = Some(error);
            }
            raised.borrow().is_some()
        };
        let mut examination = Examination::new(here);
        examination.peer = there;
        examination.remote = remote;
        examination.profile = profile;
        examination.budget = budget;
        examination.spelling = &FrontEnd::Python;
        examination.only = only;
        examination.interrupted = Some(&interrupted);
        let report = skip_client_doctor::examine(&examination, &mut |_| ());
        drop(examination);
        (report, raised.into_inner())
    });
    raised.map_or(Ok(Report(report)), Err)
}

/// The options of the first end and of the peer: the same, except for those that begin with `peer_`. A certificate's name and
/// pin apply to the peer only if it uses certificates too (`same`).
fn of_each_end<'py>(
    py: Python<'py>,
    options: Option<&Bound<'py, PyDict>>,
    same: bool,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let (here, there) = (PyDict::new(py), PyDict::new(py));
    let mut of_peer = Vec::new();
    for (name, value) in options.into_iter().flat_map(PyDictMethods::iter) {
        let name = text("name", &name)?;
        if let Some(name) = name.strip_prefix("peer_") {
            of_peer.push((name.to_owned(), value));
            continue;
        }
        here.set_item(&name, &value)?;
        if same || !matches!(name.as_str(), "server_name" | "pin") {
            there.set_item(&name, &value)?;
        }
    }
    for (name, value) in of_peer {
        there.set_item(name, value)?;
    }
    Ok((here, there))
}

#[pyfunction]
pub fn doctor_checks(py: Python<'_>, profile: &str, has_peer: bool) -> PyResult<Vec<&'static str>> {
    let profile: Profile = profile.parse().or_raise(py)?;
    Ok(profile.checks(has_peer).iter().map(|id| id.as_str()).collect())
}
