//! The TLS libraries linked into a program, for version output, bug reports and inventories.

use std::fmt;

/// A linked TLS library, with its runtime version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsLibrary {
    /// `AWS-LC` (under rustls) or `OpenSSL`.
    pub name: &'static str,
    /// The version that the library reports, for example `5.1.0`.
    pub version: &'static str,
}

impl fmt::Display for TlsLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The TLS libraries of this build: AWS-LC, which rustls uses for certificates, and, with the feature `psk`, OpenSSL
/// for pre-shared keys. The OpenSSL version is queried at run time, because the system's may be newer than the one at
/// build time.
#[must_use]
pub fn tls_libraries() -> Vec<TlsLibrary> {
    vec![
        TlsLibrary {
            name: "AWS-LC",
            version: aws_lc_rs::awslc_version(),
        },
        #[cfg(feature = "psk")]
        TlsLibrary {
            name: "OpenSSL",
            version: second_word(openssl::version::version()),
        },
    ]
}

/// OpenSSL reports `OpenSSL 3.6.3 9 Jun 2026`.
#[cfg(feature = "psk")]
fn second_word(text: &'static str) -> &'static str {
    text.split(' ').nth(1).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_library_says_a_version_of_numbers() {
        let libraries = tls_libraries();
        let names: Vec<_> = libraries.iter().map(|library| library.name).collect();
        let expected: &[&str] = if cfg!(feature = "psk") {
            &["AWS-LC", "OpenSSL"]
        } else {
            &["AWS-LC"]
        };
        assert_eq!(names, expected);
        for library in &libraries {
            let numbers = library.version.split('.').map(str::parse::<u32>);
            assert!(
                numbers.clone().count() >= 3 && numbers.clone().all(|number| number.is_ok()),
                "{library}"
            );
        }
    }
}
