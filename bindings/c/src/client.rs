//! The client, its calls, and the cancel token.

use std::ffi::c_char;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use skip_client::{BitLength, Call, CancelToken, Client, ConnectionInfo, KeyId, Result, SystemId};

use crate::border::{Text, free, infallible, lend, making, object, text};
use crate::{SkipCapabilities, SkipEntropy, SkipError, SkipKey, SkipOptions, options};

/// A client of one Key Provider, or of several in order of preference.
pub struct SkipClient(Client);

/// Cancels calls from another thread, and can carry their timeout.
pub struct SkipCancelToken(CancelToken, AtomicU32);

/// Information about a connection.
pub struct SkipConnection {
    texts: [Option<Text>; 5],
    warnings: Vec<Text>,
}

/// Creates a client of the Key Provider at `url`, `https://host[:port][/path]`. Does not connect yet. `options` may be
/// NULL, and may be freed or changed afterwards.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_client_new(
    url: *const c_char,
    url_length: usize,
    options: *const SkipOptions,
    client: *mut *mut SkipClient,
) -> *mut SkipError {
    // SAFETY: room for a handle; a string; NULL or a live handle
    unsafe {
        making(client, || {
            options::build(text("url", url, url_length)?, options.as_ref()).map(SkipClient)
        })
    }
}

/// The Key Provider's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again. `cancel` may
/// be NULL, here and in all calls.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_client_capabilities(
    client: *const SkipClient,
    refresh: bool,
    cancel: *const SkipCancelToken,
    capabilities: *mut *mut SkipCapabilities,
) -> *mut SkipError {
    // SAFETY: NULL or live handles; room for a handle
    unsafe {
        making(capabilities, || {
            let call = call(client, cancel)?;
            let answer = if refresh {
                call.refresh_capabilities()
            } else {
                call.capabilities()
            }?;
            Ok(SkipCapabilities::from(answer))
        })
    }
}

/// Requests a fresh key of `size` bits, shared with the Key Provider `remote` (draft 4.2): 0 for the Key Provider's
/// default size, otherwise a multiple of 8 from 8 to 65536.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_client_new_key(
    client: *const SkipClient,
    remote: *const c_char,
    remote_length: usize,
    size: u32,
    cancel: *const SkipCancelToken,
    key: *mut *mut SkipKey,
) -> *mut SkipError {
    // SAFETY: NULL or live handles; a string; room for a handle
    unsafe {
        making(key, || {
            let remote = SystemId::new(text("remoteSystemID", remote, remote_length)?)?;
            let mut call = call(client, cancel)?;
            if let Some(size) = bits(size)? {
                call = call.size(size);
            }
            call.new_key(&remote).map(SkipKey::from)
        })
    }
}

/// Requests the key that the initiator got from the Key Provider `remote` with `key_id` (draft 4.2). A Key Provider
/// gives it once.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_client_key_by_id(
    client: *const SkipClient,
    key_id: *const c_char,
    key_id_length: usize,
    remote: *const c_char,
    remote_length: usize,
    cancel: *const SkipCancelToken,
    key: *mut *mut SkipKey,
) -> *mut SkipError {
    // SAFETY: NULL or live handles; strings; room for a handle
    unsafe {
        making(key, || {
            let remote = SystemId::new(text("remoteSystemID", remote, remote_length)?)?;
            let id = text("keyId", key_id, key_id_length)?;
            let id = KeyId::parse(id, object("client", client)?.0.rules())?;
            call(client, cancel)?.key_by_id(&id, &remote).map(SkipKey::from)
        })
    }
}

/// Requests random bytes with at least `bits` bits of entropy (draft 4.3): 0 for the Key Provider's default, otherwise
/// a multiple of 8 from 8 to 65536.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_client_entropy(
    client: *const SkipClient,
    bits: u32,
    cancel: *const SkipCancelToken,
    entropy: *mut *mut SkipEntropy,
) -> *mut SkipError {
    // SAFETY: NULL or live handles; room for a handle
    unsafe {
        making(entropy, || {
            call(client, cancel)?.entropy(self::bits(bits)?).map(SkipEntropy::from)
        })
    }
}

/// Information about the last connection; the result is NULL before the first one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_client_connection(client: *const SkipClient) -> *mut SkipConnection {
    // SAFETY: NULL or a live handle
    let client = unsafe { client.as_ref() };
    infallible(std::ptr::null_mut(), || {
        let info = client.and_then(|client| client.0.connection());
        info.map_or(std::ptr::null_mut(), |info| {
            Box::into_raw(Box::new(SkipConnection::from(info)))
        })
    })
}

/// Closes the idle connections and cancels the running calls, from any thread; later calls fail with
/// SKIP_CODE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_client_close(client: *const SkipClient) {
    // SAFETY: NULL or a live handle
    if let Some(client) = unsafe { client.as_ref() } {
        infallible((), || client.0.close());
    }
}

/// Closes and frees a client. Its keys remain valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_client_free(client: *mut SkipClient) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(client) }
}

/// Creates a token with which another thread can cancel calls.
#[unsafe(no_mangle)]
pub extern "C" fn skip_cancel_token_new() -> *mut SkipCancelToken {
    Box::into_raw(Box::new(SkipCancelToken(CancelToken::new(), AtomicU32::new(0))))
}

/// Gives calls that are started with this token from now on a timeout of so many milliseconds for the whole call, instead of
/// the client's; 0 means the client's again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_cancel_token_set_timeout(token: *const SkipCancelToken, milliseconds: u32) {
    // SAFETY: NULL or a live handle
    if let Some(token) = unsafe { token.as_ref() } {
        token.1.store(milliseconds, Ordering::Relaxed);
    }
}

/// Cancels every call that uses this token, now or later, from any thread. Such a call fails with
/// SKIP_CODE_CONNECTION_LOST, and advice that depends on what was already sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_cancel(token: *const SkipCancelToken) {
    // SAFETY: NULL or a live handle
    if let Some(token) = unsafe { token.as_ref() } {
        infallible((), || token.0.cancel());
    }
}

/// Frees a token. All calls that use it must have returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_cancel_token_free(token: *mut SkipCancelToken) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(token) }
}

/// The URL of the Key Provider.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_url(connection: *const SkipConnection, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipConnection::lend(connection, 0, length) }
}

/// Address and port of the Key Provider, or of the proxy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_address(
    connection: *const SkipConnection,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipConnection::lend(connection, 1, length) }
}

/// "TLS 1.2" or "TLS 1.3".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_tls_version(
    connection: *const SkipConnection,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipConnection::lend(connection, 2, length) }
}

/// The IANA name of the cipher suite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_cipher_suite(
    connection: *const SkipConnection,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipConnection::lend(connection, 3, length) }
}

/// The key exchange group, for example "X25519MLKEM768"; NULL if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_group(connection: *const SkipConnection, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipConnection::lend(connection, 4, length) }
}

/// The number of warnings about deviations from Table 1 of the draft.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_warning_count(connection: *const SkipConnection) -> usize {
    // SAFETY: NULL or a live handle
    unsafe { connection.as_ref() }.map_or(0, |connection| connection.warnings.len())
}

/// A warning, counted from 0; NULL after the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_warning(
    connection: *const SkipConnection,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe {
        lend(
            connection
                .as_ref()
                .and_then(|connection| connection.warnings.get(index)),
            length,
        )
    }
}

/// Frees a skip_connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_connection_free(connection: *mut SkipConnection) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(connection) }
}

impl SkipConnection {
    unsafe fn lend(connection: *const Self, index: usize, length: *mut usize) -> *const c_char {
        // SAFETY: guaranteed by the callers
        unsafe {
            lend(
                connection
                    .as_ref()
                    .and_then(|connection| connection.texts[index].as_ref()),
                length,
            )
        }
    }
}

impl From<ConnectionInfo> for SkipConnection {
    fn from(info: ConnectionInfo) -> Self {
        let texts = [&info.url, &info.address, &info.tls_version, &info.cipher_suite].map(|text| Some(Text::new(text)));
        let [url, address, version, suite] = texts;
        Self {
            texts: [url, address, version, suite, info.group.as_deref().map(Text::new)],
            warnings: info.warnings.iter().map(|text| Text::new(text)).collect(),
        }
    }
}

unsafe fn call<'a>(client: *const SkipClient, cancel: *const SkipCancelToken) -> Result<Call<'a>> {
    // SAFETY: the callers guarantee live handles for the duration of the call
    let (client, cancel) = unsafe { (object("client", client)?, cancel.as_ref()) };
    let call = client.0.call();
    Ok(match cancel {
        Some(token) => match token.1.load(Ordering::Relaxed) {
            0 => call.cancel(&token.0),
            milliseconds => call
                .cancel(&token.0)
                .timeout(Duration::from_millis(milliseconds.into())),
        },
        None => call,
    })
}

/// A number of bits; 0 for the Key Provider's default.
fn bits(bits: u32) -> Result<Option<BitLength>> {
    (bits != 0).then(|| BitLength::new(bits.into())).transpose()
}
