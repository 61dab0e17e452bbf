//! The `IKEv2` payloads that carry ids between the encryptors (draft 5), for `skip_client.ikev2`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use skip_client::ikev2::{PpkIdentity, UsePpk};
use skip_client::{KeyId, SystemId};

use crate::arguments::text;
use crate::errors::OrRaise;

#[pyfunction]
#[pyo3(signature = (local_system_id=None, *, next_payload=0))]
pub fn encode_use_ppk<'py>(
    py: Python<'py>,
    local_system_id: Option<&Bound<'py, PyAny>>,
    next_payload: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    let local_system_id = local_system_id
        .map(|id| SystemId::new(&text("local_system_id", id)?).or_raise(py))
        .transpose()?;
    Ok(PyBytes::new(py, &UsePpk { local_system_id }.encode(next_payload)))
}

#[pyfunction]
pub fn decode_use_ppk(py: Python<'_>, payload: &[u8]) -> PyResult<Option<String>> {
    let payload = UsePpk::decode(payload).or_raise(py)?;
    Ok(payload.local_system_id.map(|id| id.as_str().to_owned()))
}

#[pyfunction]
#[pyo3(signature = (key_id, *, as_octets=false, next_payload=0))]
pub fn encode_ppk_identity<'py>(
    key_id: &Bound<'py, PyAny>,
    as_octets: bool,
    next_payload: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = key_id.py();
    let key_id = KeyId::lenient(&text("key_id", key_id)?).or_raise(py)?;
    let identity = if as_octets {
        PpkIdentity::octets(&key_id).or_raise(py)?
    } else {
        PpkIdentity::text(&key_id)
    };
    Ok(PyBytes::new(py, &identity.encode(next_payload)))
}

#[pyfunction]
#[pyo3(signature = (payload, *, as_octets=false))]
pub fn decode_ppk_identity(py: Python<'_>, payload: &[u8], as_octets: bool) -> PyResult<String> {
    let identity = PpkIdentity::decode(payload).or_raise(py)?;
    let key_id = if as_octets {
        identity.key_id_of_octets()
    } else {
        identity.key_id()
    };
    Ok(key_id.or_raise(py)?.as_str().to_owned())
}
