//! External pre-shared keys for TLS 1.2 and 1.3, on OpenSSL.
//!
//! The `openssl` crate only has the callbacks of TLS 1.2. This crate adds those of TLS 1.3, where a key is bound to a hash and passed as a
//! session, and a few other functions of OpenSSL. All `unsafe` code over OpenSSL is in this file.
//!
//! ```
//! use openssl::ssl::{SslContext, SslMethod};
//! use skip_tls_psk::{Hash, Psk, offer};
//!
//! let mut context = SslContext::builder(SslMethod::tls_client())?;
//! offer(&mut context, Psk::new(b"encryptor", b"sixteen bytes ok"), Some(Hash::Sha384))?;
//! # Ok::<(), openssl::error::ErrorStack>(())
//! ```

#[cfg(feature = "vendored")]
use std::ffi::c_void;
use std::ffi::{CStr, c_char, c_int, c_uchar};
use std::ptr;
use std::sync::{Arc, OnceLock};

use foreign_types_shared::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslContext, SslContextBuilder, SslOptions, SslRef};
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl_sys as sys;
use zeroize::Zeroizing;

/// Wipes the buffers that held plaintext once it was read (`SSL_OP_CLEANSE_PLAINTEXT`, OpenSSL 3.0 and later).
pub const CLEANSE_PLAINTEXT: SslOptions = SslOptions::from_bits_retain(1 << 1);

/// The hash that a TLS 1.3 pre-shared key is bound to (RFC 8446, 4.2.11), which determines the suites it can be used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// For `TLS_AES_256_GCM_SHA384`.
    Sha384,
    /// For `TLS_CHACHA20_POLY1305_SHA256` and `TLS_AES_128_GCM_SHA256`.
    Sha256,
}

impl Hash {
    const fn len(self) -> c_int {
        match self {
            Self::Sha384 => 48,
            Self::Sha256 => 32,
        }
    }

    // ChaCha20 before AES-128, because it has 256-bit keys
    const fn suites(self) -> &'static str {
        match self {
            Self::Sha384 => "TLS_AES_256_GCM_SHA384",
            Self::Sha256 => "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
        }
    }

    /// A suite with this hash, as on the wire. Any will do: OpenSSL only looks at its hash.
    const fn suite(self) -> [u8; 2] {
        match self {
            Self::Sha384 => [0x13, 0x02],
            Self::Sha256 => [0x13, 0x01],
        }
    }
}

/// An identity and its key. Clones share one copy of the key, which is wiped with the last of them.
#[derive(Clone)]
pub struct Psk(Arc<(Vec<u8>, Zeroizing<Vec<u8>>)>);

impl Psk {
    /// Creates one from an identity (1 to 255 bytes without NUL, which TLS 1.2 would truncate) and a key (1 to 256 bytes).
    #[must_use]
    pub fn new(identity: &[u8], key: &[u8]) -> Self {
        Self(Arc::new((identity.to_vec(), Zeroizing::new(key.to_vec()))))
    }

    fn identity(&self) -> &[u8] {
        &self.0.0
    }

    fn key(&self) -> &[u8] {
        &self.0.1
    }
}

impl std::fmt::Debug for Psk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Psk([redacted])")
    }
}

/// Makes a client offer `psk` in TLS 1.2 and, if `tls13` is set, in TLS 1.3, bound to that hash and with its suites. The caller sets the
/// versions and the TLS 1.2 suites.
///
/// # Errors
/// If OpenSSL is out of memory.
pub fn offer(context: &mut SslContextBuilder, psk: Psk, tls13: Option<Hash>) -> Result<(), ErrorStack> {
    let classic = psk.clone();
    // the hint is not authenticated, so it is ignored
    context.set_psk_client_callback(move |_, _hint, identity, key| {
        let fits = classic.identity().len() < identity.len() && classic.key().len() <= key.len();
        if !fits {
            return Ok(0);
        }
        identity[..classic.identity().len()].copy_from_slice(classic.identity());
        identity[classic.identity().len()] = 0;
        key[..classic.key().len()].copy_from_slice(classic.key());
        Ok(classic.key().len())
    });
    if let Some(hash) = tls13 {
        context.set_ciphersuites(hash.suites())?;
        context.set_ex_data(offered_index()?, Offered { psk, hash });
        // SAFETY: the context is alive, and the function has the signature that OpenSSL documents.
        unsafe { SSL_CTX_set_psk_use_session_callback(context.as_ptr(), Some(use_session)) };
    }
    Ok(())
}

/// The content of a PKCS#12 file.
pub struct Identity {
    /// The private key, if there is one.
    pub key: Option<PKey<Private>>,
    /// The certificate of the private key, then the others in the file.
    pub certificates: Vec<X509>,
}

/// Opens a PKCS#12 file. `None` as the password also opens files that have an empty one. Unlike `Pkcs12::parse2`, makes no copy of the
/// password.
///
/// # Errors
/// If it is not PKCS#12, the password is wrong, or OpenSSL does not know the encryption.
pub fn open_pkcs12(der: &[u8], password: Option<&CStr>) -> Result<Identity, ErrorStack> {
    let file = Pkcs12::from_der(der)?;
    let (mut key, mut own, mut others) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let password = password.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: the file is alive, the password is NULL or a C string, and the rest is room for a pointer each
    let opened = unsafe { sys::PKCS12_parse(file.as_ptr(), password, &raw mut key, &raw mut own, &raw mut others) };
    // SAFETY: each is null or a new object, which belongs to the caller
    let (key, own, others) = unsafe {
        (
            (!key.is_null()).then(|| PKey::from_ptr(key)),
            (!own.is_null()).then(|| X509::from_ptr(own)),
            (!others.is_null()).then(|| Stack::<X509>::from_ptr(others)),
        )
    };
    if opened <= 0 {
        return Err(ErrorStack::get());
    }
    Ok(Identity {
        key,
        certificates: own.into_iter().chain(others.into_iter().flatten()).collect(),
    })
}

/// Looks up the key of an identity.
pub type Find = dyn Fn(&[u8]) -> Option<Psk> + Send + Sync;

/// Makes a server accept the keys that `find` returns: in TLS 1.2, and in TLS 1.3 bound to SHA-384. With `classic`, TLS 1.3 uses the
/// callback of TLS 1.2, as in servers written for OpenSSL 1.0, and OpenSSL binds keys to SHA-256. The caller sets the versions and the TLS
/// 1.2 suites.
///
/// # Errors
/// If OpenSSL is out of memory.
pub fn accept(context: &mut SslContextBuilder, find: Arc<Find>, classic: bool) -> Result<(), ErrorStack> {
    let known = Arc::clone(&find);
    context.set_psk_server_callback(move |_, identity, key| {
        // without a key, OpenSSL sends the alert unknown_psk_identity
        let Some(psk) = identity.and_then(|identity| known(identity)) else {
            return Ok(0);
        };
        let Some(room) = key.get_mut(..psk.key().len()) else {
            return Ok(0);
        };
        room.copy_from_slice(psk.key());
        Ok(room.len())
    });
    if !classic {
        // with others, OpenSSL would prefer those with SHA-256 once the callback of TLS 1.2 is set
        context.set_ciphersuites(Hash::Sha384.suites())?;
        context.set_ex_data(accepted_index()?, Accepted(find));
        // SAFETY: the context is alive, and the function has the signature that OpenSSL documents.
        unsafe { SSL_CTX_set_psk_find_session_callback(context.as_ptr(), Some(find_session)) };
    }
    Ok(())
}

/// Makes a server send this hint with its key exchange in TLS 1.2 (RFC 4279, 2).
///
/// # Errors
/// If it is longer than 128 bytes.
pub fn set_identity_hint(context: &mut SslContextBuilder, hint: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive, and OpenSSL copies the NUL-terminated text.
    checked(unsafe { SSL_CTX_use_psk_identity_hint(context.as_ptr(), hint.as_ptr()) })
}

/// Makes a server choose the size of the Diffie-Hellman group according to the suite.
///
/// # Errors
/// If OpenSSL refuses.
pub fn set_dh_auto(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive.
    let done = unsafe { sys::SSL_CTX_set_dh_auto(context.as_ptr(), 1) };
    checked(c_int::from(done > 0))
}

/// Initialises OpenSSL for this process. Must be called before any other use of OpenSSL; a later call has no effect.
///
/// * OpenSSL wipes memory that it frees, which could contain pre-shared keys and private keys. Returns whether it does: not if it is too
///   late, or if the system cannot tell the size of a freed block.
/// * With the feature `vendored`, OpenSSL reads no configuration: `openssl.cnf` and `OPENSSL_CONF` could make it load code. The system's
///   OpenSSL is left as configured by its administrator.
pub fn prepare() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        // memory functions cannot be changed after the initialization
        let wipes = wiping::install();
        #[cfg(feature = "vendored")]
        {
            const NO_LOAD_CONFIG: u64 = 0x80;
            // SAFETY: may be called at any time; the settings may be null.
            unsafe { OPENSSL_init_crypto(NO_LOAD_CONFIG, ptr::null()) };
        }
        wipes
    })
}

/// The IANA name of the key exchange group: `X25519MLKEM768`, `x25519`, ...; `None` for TLS 1.2 and before the handshake.
#[must_use]
pub fn negotiated_group(ssl: &SslRef) -> Option<String> {
    const GET_NEGOTIATED_GROUP: c_int = 134;
    // SAFETY: the connection is alive; this control takes no argument.
    let id = unsafe { sys::SSL_ctrl(ssl.as_ptr(), GET_NEGOTIATED_GROUP, 0, ptr::null_mut()) };
    if id <= 0 {
        return None;
    }
    // SAFETY: the connection is alive; the name belongs to it or to the library and is copied at once.
    let name = unsafe {
        let name = SSL_group_to_name(ssl.as_ptr(), c_int::try_from(id).ok()?);
        if name.is_null() {
            return None;
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    };
    Some(match name.as_str() {
        "x25519" | "X25519" => "x25519".into(),
        "prime256v1" | "P-256" => "secp256r1".into(),
        "P-384" => "secp384r1".into(),
        _ => name,
    })
}

/// Makes this connection offer these key exchange groups instead of those of its context. In OpenSSL 3.5 and later, `*` marks a group whose
/// share is sent with the hello, and `?` one that may be unknown.
///
/// # Errors
/// If OpenSSL cannot parse the list.
pub fn set_groups(ssl: &mut SslRef, groups: &CStr) -> Result<(), ErrorStack> {
    const SET_GROUPS_LIST: c_int = 92;
    // SAFETY: the connection is alive; OpenSSL reads the NUL-terminated text and keeps nothing of it.
    let done = unsafe { sys::SSL_ctrl(ssl.as_ptr(), SET_GROUPS_LIST, 0, groups.as_ptr().cast_mut().cast()) };
    checked(c_int::from(done == 1))
}

/// What a client offers. It is stored in the context because TLS 1.3 reads the identity after the callback has returned.
struct Offered {
    psk: Psk,
    hash: Hash,
}

struct Accepted(Arc<Find>);

fn offered_index() -> Result<Index<SslContext, Offered>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Offered>> = OnceLock::new();
    index(&INDEX)
}

fn accepted_index() -> Result<Index<SslContext, Accepted>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Accepted>> = OnceLock::new();
    index(&INDEX)
}

fn index<T: Send + Sync + 'static>(known: &OnceLock<Index<SslContext, T>>) -> Result<Index<SslContext, T>, ErrorStack> {
    match known.get() {
        Some(index) => Ok(*index),
        // two threads may create one each; the first counts
        None => SslContext::new_ex_index().map(|new| *known.get_or_init(|| new)),
    }
}

/// Called by OpenSSL for the client's key: once for the hello, and again if the server wants another group (then with its hash).
///
/// # Safety
/// OpenSSL calls it with a live connection and with valid pointers for the results.
unsafe extern "C" fn use_session(
    ssl: *mut sys::SSL,
    digest: *const sys::EVP_MD,
    identity: *mut *const c_uchar,
    identity_len: *mut usize,
    session: *mut *mut sys::SSL_SESSION,
) -> c_int {
    // SAFETY: see above; the context keeps `offered` for as long as the connection lives.
    unsafe {
        *session = ptr::null_mut();
        let context = SslRef::from_ptr(ssl).ssl_context();
        let Some(offered) = offered_index().ok().and_then(|index| context.ex_data(index)) else {
            return 0;
        };
        if !digest.is_null() && sys::EVP_MD_get_size(digest) != offered.hash.len() {
            // no key fits the suite that the server chose
            return 1;
        }
        *session = new_session(ssl, offered.psk.key(), offered.hash);
        *identity = offered.psk.identity().as_ptr();
        *identity_len = offered.psk.identity().len();
        c_int::from(!(*session).is_null())
    }
}

/// Called by OpenSSL for the key of an identity that a client offered in TLS 1.3.
///
/// # Safety
/// OpenSSL calls it with a live connection, the bytes of the identity, and a valid pointer for the session.
unsafe extern "C" fn find_session(
    ssl: *mut sys::SSL,
    identity: *const c_uchar,
    identity_len: usize,
    session: *mut *mut sys::SSL_SESSION,
) -> c_int {
    // SAFETY: see above.
    unsafe {
        *session = ptr::null_mut();
        let context = SslRef::from_ptr(ssl).ssl_context();
        let Some(accepted) = accepted_index().ok().and_then(|index| context.ex_data(index)) else {
            return 0;
        };
        if identity.is_null() {
            return 1;
        }
        let identity = std::slice::from_raw_parts(identity, identity_len);
        // an unknown identity is not an error: the client may have offered others
        if let Some(psk) = (accepted.0)(identity) {
            *session = new_session(ssl, psk.key(), Hash::Sha384);
        }
        1
    }
}

/// Creates a session that represents the key; each time, because sessions expire. Null if OpenSSL fails.
///
/// # Safety
/// `ssl` is a live connection. The owner of the session must free it, which wipes its copy of the key.
unsafe fn new_session(ssl: *mut sys::SSL, key: &[u8], hash: Hash) -> *mut sys::SSL_SESSION {
    const TLS_1_3: c_int = 0x0304;
    // SAFETY: the pointers are alive; OpenSSL copies the key and refuses one that is too long.
    unsafe {
        let cipher = SSL_CIPHER_find(ssl, hash.suite().as_ptr());
        let session = SSL_SESSION_new();
        let made = !cipher.is_null()
            && !session.is_null()
            && SSL_SESSION_set1_master_key(session, key.as_ptr(), key.len()) == 1
            && SSL_SESSION_set_cipher(session, cipher) == 1
            && SSL_SESSION_set_protocol_version(session, TLS_1_3) == 1;
        if made {
            return session;
        }
        sys::SSL_SESSION_free(session);
        ptr::null_mut()
    }
}

fn checked(result: c_int) -> Result<(), ErrorStack> {
    if result == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Memory functions for OpenSSL that wipe on free.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod wiping {
    use std::ffi::{c_char, c_int, c_void};
    use std::ptr;

    pub(crate) fn install() -> bool {
        // SAFETY: the three functions are based on those of the C library, and so can be called at any time.
        unsafe { CRYPTO_set_mem_functions(Some(malloc), Some(realloc), Some(free)) == 1 }
    }

    unsafe extern "C" fn malloc(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
        // SAFETY: as malloc.
        unsafe { libc::malloc(size) }
    }

    unsafe extern "C" fn realloc(block: *mut c_void, size: usize, file: *const c_char, line: c_int) -> *mut c_void {
        // SAFETY: `block` is null or from `malloc` above; both blocks are at least as large as the copied data.
        unsafe {
            if block.is_null() {
                return malloc(size, file, line);
            }
            let old = libc::malloc_usable_size(block);
            // a block that is large enough keeps its place
            if size != 0 && size <= old && old / 2 <= size {
                return block;
            }
            let new = if size == 0 { ptr::null_mut() } else { libc::malloc(size) };
            if !new.is_null() {
                ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast::<u8>(), old.min(size));
            }
            if !new.is_null() || size == 0 {
                free(block, file, line);
            }
            new
        }
    }

    unsafe extern "C" fn free(block: *mut c_void, _: *const c_char, _: c_int) {
        if block.is_null() {
            return;
        }
        // SAFETY: `block` is from `malloc` above, and all of its usable size may be written to.
        unsafe {
            ptr::write_bytes(block.cast::<u8>(), 0, libc::malloc_usable_size(block));
            // prevents the write from being optimised away
            std::hint::black_box(block);
            libc::free(block);
        }
    }

    type Malloc = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
    type Realloc = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
    type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

    unsafe extern "C" {
        fn CRYPTO_set_mem_functions(malloc: Option<Malloc>, realloc: Option<Realloc>, free: Option<Free>) -> c_int;
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod wiping {
    pub(crate) fn install() -> bool {
        false
    }
}

type UseSession = unsafe extern "C" fn(
    *mut sys::SSL,
    *const sys::EVP_MD,
    *mut *const c_uchar,
    *mut usize,
    *mut *mut sys::SSL_SESSION,
) -> c_int;

type FindSession = unsafe extern "C" fn(*mut sys::SSL, *const c_uchar, usize, *mut *mut sys::SSL_SESSION) -> c_int;

// what openssl-sys does not declare, with the signatures of ssl.h
unsafe extern "C" {
    fn SSL_CTX_set_psk_use_session_callback(context: *mut sys::SSL_CTX, callback: Option<UseSession>);
    fn SSL_CTX_set_psk_find_session_callback(context: *mut sys::SSL_CTX, callback: Option<FindSession>);
    fn SSL_CTX_use_psk_identity_hint(context: *mut sys::SSL_CTX, hint: *const c_char) -> c_int;
    fn SSL_CIPHER_find(ssl: *mut sys::SSL, suite: *const c_uchar) -> *const sys::SSL_CIPHER;
    fn SSL_SESSION_new() -> *mut sys::SSL_SESSION;
    fn SSL_SESSION_set1_master_key(session: *mut sys::SSL_SESSION, key: *const c_uchar, len: usize) -> c_int;
    fn SSL_SESSION_set_cipher(session: *mut sys::SSL_SESSION, cipher: *const sys::SSL_CIPHER) -> c_int;
    fn SSL_SESSION_set_protocol_version(session: *mut sys::SSL_SESSION, version: c_int) -> c_int;
    #[cfg(feature = "vendored")]
    fn OPENSSL_init_crypto(options: u64, settings: *const c_void) -> c_int;
    fn SSL_group_to_name(ssl: *mut sys::SSL, id: c_int) -> *const c_char;
}
