//! Client options, by the names of the core's table.

use std::ffi::c_char;
use std::sync::LazyLock;

use skip_client::options::OPTIONS;
use skip_client::{Client, Error, Psk, Result};
use zeroize::Zeroizing;

use crate::SkipError;
use crate::border::{Text, bytes, fallible, free, lend, null, text};

/// Client options; see docs/fetch-a-key-from-c.md for the table.
#[derive(Default)]
pub struct SkipOptions {
    urls: Vec<String>,
    values: Vec<(String, Zeroizing<String>)>,
    psk: Option<Psk>,
}

/// Creates an empty set of options.
#[unsafe(no_mangle)]
pub extern "C" fn skip_options_new() -> *mut SkipOptions {
    Box::into_raw(Box::default())
}

/// Sets an option by name, for example "timeout" to "2.5" (seconds), "lenient" to "true", "ca" to certificates in PEM form
/// or to "system", "psk" to "identity:hex". The name "url" adds another Key Provider, which is used if those before it
/// cannot be reached.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_options_set(
    options: *mut SkipOptions,
    name: *const c_char,
    name_length: usize,
    value: *const c_char,
    value_length: usize,
) -> *mut SkipError {
    // SAFETY: NULL or a live handle that no other thread uses now; strings
    unsafe {
        fallible(|| {
            let options = options.as_mut().ok_or_else(|| null("options"))?;
            let name = text("name", name, name_length)?;
            options.set(name, Zeroizing::new(text(name, value, value_length)?.to_owned()))
        })
    }
}

/// The same with the content of a file as the value: for "ca", "cert", "key" and "psk". The file is read now.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_options_set_file(
    options: *mut SkipOptions,
    name: *const c_char,
    name_length: usize,
    path: *const c_char,
    path_length: usize,
) -> *mut SkipError {
    // SAFETY: NULL or a live handle that no other thread uses now; strings
    unsafe {
        fallible(|| {
            let options = options.as_mut().ok_or_else(|| null("options"))?;
            let name = text("name", name, name_length)?;
            options.set(name, content(name, text("path", path, path_length)?)?)
        })
    }
}

/// Sets the pre-shared key of TLS to `key_length` bytes; for hexadecimal digits see the option "psk".
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_options_set_psk(
    options: *mut SkipOptions,
    identity: *const c_char,
    identity_length: usize,
    key: *const u8,
    key_length: usize,
) -> *mut SkipError {
    // SAFETY: NULL or a live handle that no other thread uses now; a string; bytes
    unsafe {
        fallible(|| {
            let options = options.as_mut().ok_or_else(|| null("options"))?;
            let key = bytes("psk", key.cast(), key_length)?;
            options.psk = Some(Psk::from_bytes(text("identity", identity, identity_length)?, key)?);
            Ok(())
        })
    }
}

/// Wipes and frees options; clients created with them remain valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_options_free(options: *mut SkipOptions) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(options) }
}

/// The name of an option, in the order of the table from 0; NULL after the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_option_name(index: usize, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or room for a length
    unsafe { lend(table().get(index).map(|[name, _]| name), length) }
}

/// The purpose of an option, in one sentence; NULL after the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_option_help(index: usize, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or room for a length
    unsafe { lend(table().get(index).map(|[_, help]| help), length) }
}

fn table() -> &'static [[Text; 2]] {
    static TABLE: LazyLock<Vec<[Text; 2]>> = LazyLock::new(|| {
        OPTIONS
            .iter()
            .map(|option| [option.name, option.help].map(Text::new))
            .collect()
    });
    &TABLE
}

impl SkipOptions {
    /// Stores a value that the core accepts; whether they can be combined is checked when the client is created.
    fn set(&mut self, name: &str, value: Zeroizing<String>) -> Result<()> {
        let any = Client::builder("https://localhost")?;
        if name == "url" {
            let _ = any.or_url(&value)?;
            self.urls.push(value.to_string());
        } else {
            let _ = any.set(name, &value)?;
            self.values.push((name.to_owned(), value));
        }
        Ok(())
    }
}

pub(crate) fn build(url: &str, options: Option<&SkipOptions>) -> Result<Client> {
    let mut builder = Client::builder(url)?;
    if let Some(options) = options {
        for url in &options.urls {
            builder = builder.or_url(url)?;
        }
        for (name, value) in &options.values {
            builder = builder.set(name, value)?;
        }
        if let Some(psk) = &options.psk {
            builder = builder.psk(psk.clone());
        }
    }
    builder.build()
}

/// A file's text, read into a buffer of its size, because growing would leave copies behind.
fn content(name: &str, path: &str) -> Result<Zeroizing<String>> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        // the path is not shown: it may be a secret passed by mistake
        Error::invalid_argument(
            name,
            format_args!("the file cannot be read: {}", error.kind()),
            "give its path",
        )
    };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let room = usize::try_from(size).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(Error::invalid_argument(
                name,
                "the file is not text",
                "PEM and PSK files are text",
            ))
        }
    }
}
