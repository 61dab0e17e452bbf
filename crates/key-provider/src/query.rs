//! Paths and queries: splitting and percent-decoding.

use percent_encoding::percent_decode_str;

/// The route of a request target: the rows of Table 2 before their parameters are parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Capabilities,
    NewKey,
    KeyById(String),
    Entropy,
}

/// The route of a path; `None` for a path that is not in Table 2.
pub(crate) fn route(path: &str, decode: bool) -> Option<Route> {
    let mut segments = path.strip_prefix('/')?.split('/').map(|text| text_of(text, decode));
    let first = segments.next()??;
    let second = segments.next();
    if segments.next().is_some() {
        return None;
    }
    match (first.as_str(), second) {
        ("capabilities", None) => Some(Route::Capabilities),
        ("entropy", None) => Some(Route::Entropy),
        ("key", None) => Some(Route::NewKey),
        // invalid UTF-8 is a keyId that no key has
        ("key", Some(key_id)) => Some(Route::KeyById(key_id.unwrap_or_default())),
        _ => None,
    }
}

/// The parameters of a query, in order; `None` if one has an invalid percent sequence or is not UTF-8.
pub(crate) fn parameters(query: &str, decode: bool) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((text_of(name, decode)?, text_of(value, decode)?))
        })
        .collect()
}

/// Decodes percent sequences only: a plus is a plus, because this is not an HTML form.
fn text_of(text: &str, decode: bool) -> Option<String> {
    if !decode {
        return Some(text.to_owned());
    }
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits = rest.as_bytes().get(at + 1..at + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        rest = &rest[at + 3..];
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::{Route, parameters, route};

    #[test]
    fn only_the_paths_of_table_2_are_routes() {
        assert_eq!(route("/capabilities", true), Some(Route::Capabilities));
        assert_eq!(route("/%63apabilities", true), Some(Route::Capabilities));
        assert_eq!(route("/%63apabilities", false), None);
        assert_eq!(route("/key", true), Some(Route::NewKey));
        assert_eq!(route("/key/a%62", true), Some(Route::KeyById("ab".to_owned())));
        assert_eq!(route("/key/%zz", true), Some(Route::KeyById(String::new())));
        assert_eq!(route("/entropy", true), Some(Route::Entropy));
        for path in [
            "",
            "/",
            "*",
            "/keys",
            "/capabilities/",
            "/entropy/1",
            "/key/a/b",
            "//key",
            "/Key",
        ] {
            assert_eq!(route(path, true), None, "{path}");
        }
    }

    #[test]
    fn a_plus_is_a_plus_and_broken_sequences_are_refused() {
        let one = |query, decode| parameters(query, decode).map(|mut all| all.remove(0).1);
        assert_eq!(one("a=x+y%20%c3%BC", true).as_deref(), Some("x+y ü"));
        assert_eq!(one("a=x+y%20", false).as_deref(), Some("x+y%20"));
        assert_eq!(one("a=b=c", true).as_deref(), Some("b=c"));
        for bad in ["a=%", "a=%2", "a=%2g", "a=%ff", "%ü=1"] {
            assert_eq!(parameters(bad, true), None, "{bad}");
        }
        assert_eq!(parameters("&&", true), Some(Vec::new()));
    }
}
