//! Client options, by the names of the core's table.

use std::ffi::c_char;
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

use skip_client::options::OPTIONS;
use skip_client::{Client, Error, Psk, Result};
use zeroize::Zeroizing;

use crate::SkipError;
use crate::border::{Text, bytes, fallible, free, lend, null, text, utf_8};

/// Client options; see docs/fetch-a-key-from-c.md for the table.
#[derive(Default)]
pub struct SkipOptions {
    urls: Vec<String>,
    values: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Name, path, and for "psk" the identity that selects a line.
    files: Vec<(String, PathBuf, Option<String>)>,
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
            options.set(name, bytes(name, value, value_length)?)
        })
    }
}

/// The same with a file for the value of "ca", "cert", "key", "key_password" or "psk". A client reads it when it is created,
/// and again before a call if it has changed. "cert" may be PKCS#12; a password is the first line of its file.
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
            options.set_file(name, text("path", path, path_length)?, None)
        })
    }
}

/// The same with a file of pre-shared keys, of which `identity` selects a line or names the only one, if that has no name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_options_set_psk_file(
    options: *mut SkipOptions,
    path: *const c_char,
    path_length: usize,
    identity: *const c_char,
    identity_length: usize,
) -> *mut SkipError {
    // SAFETY: NULL or a live handle that no other thread uses now; strings
    unsafe {
        fallible(|| {
            let options = options.as_mut().ok_or_else(|| null("options"))?;
            let identity = text("identity", identity, identity_length)?;
            options.set_file("psk", text("path", path, path_length)?, Some(identity))
        })
    }
}

/// Sets the pre-shared key of TLS. `form` says how the key is written: "raw" (these bytes; for a key that is text on a
/// router, the bytes of the text), "hex" or "base64".
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_options_set_psk(
    options: *mut SkipOptions,
    identity: *const c_char,
    identity_length: usize,
    form: *const c_char,
    form_length: usize,
    key: *const u8,
    key_length: usize,
) -> *mut SkipError {
    // SAFETY: NULL or a live handle that no other thread uses now; strings; bytes
    unsafe {
        fallible(|| {
            let options = options.as_mut().ok_or_else(|| null("options"))?;
            let key = bytes("psk", key.cast(), key_length)?;
            let identity = text("identity", identity, identity_length)?;
            options.psk = Some(match text("form", form, form_length)? {
                "raw" => Psk::from_bytes(identity, key),
                "hex" => Psk::from_hex(identity, key),
                "base64" => Psk::from_base64(identity, key),
                _ => {
                    let rule = "must be raw, hex or base64";
                    return Err(Error::invalid_argument("form", rule, "the bytes of a text are raw"));
                }
            }?);
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
    fn set(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let any = Client::builder("https://localhost")?;
        if name == "url" {
            let url = utf_8(name, value)?;
            let _ = any.or_url(url)?;
            self.urls.push(url.to_owned());
        } else {
            let _ = any.set(name, value)?;
            self.values.push((name.to_owned(), Zeroizing::new(value.to_vec())));
        }
        Ok(())
    }

    /// Stores a path, and reports a file that cannot be read at once.
    fn set_file(&mut self, name: &str, path: &str, identity: Option<&str>) -> Result<()> {
        let _ = Client::builder("https://localhost")?.set_file(name, path)?;
        File::open(path).map_err(|error| {
            // the path is not shown: it may be a secret passed by mistake
            let rule = format_args!("the file cannot be read: {}", error.kind());
            Error::invalid_argument(name, rule, "give its path")
        })?;
        self.files
            .push((name.to_owned(), path.into(), identity.map(str::to_owned)));
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
            builder = builder.set(name, value.as_slice())?;
        }
        for (name, path, identity) in &options.files {
            builder = match name.as_str() {
                "psk" => builder.psk_file(path, identity.as_deref()),
                _ => builder.set_file(name, path)?,
            };
        }
        if let Some(psk) = &options.psk {
            builder = builder.psk(psk.clone());
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::{SkipOptions, build};

    #[test]
    fn an_identity_belongs_to_the_file_it_came_with() {
        let folder = std::env::temp_dir().join(format!("skip-client-c-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let [two, one] = [("two", "a:00\nb:01\n"), ("one", "c:02\n")].map(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        });
        let mut options = SkipOptions::default();
        options.set_file("psk", &two, Some("a")).expect("readable");
        assert!(build("https://localhost", Some(&options)).is_ok());
        options.set_file("psk", &one, Some("a")).expect("readable");
        assert!(build("https://localhost", Some(&options)).is_err());
        options.set_file("psk", &one, None).expect("readable");
        assert!(build("https://localhost", Some(&options)).is_ok());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
