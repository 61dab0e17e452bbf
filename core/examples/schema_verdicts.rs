//! What the `jsonschema` crate says of messages, for the cross-check of the npm package (node/test/crosscheck.test.js): a line
//! `KIND STYLE TEXT` in, `true` or `false` out.

use std::io::{BufRead as _, Write as _};

use skip_client::{MessageKind, SchemaStyle, schema};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut validators = Vec::new();
    for kind in MessageKind::ALL {
        for (name, style) in [
            ("strict", SchemaStyle::Strict),
            ("asPublished", SchemaStyle::AsPublished),
        ] {
            let document = serde_json::from_str(schema(kind, style))?;
            validators.push((kind.as_str(), name, jsonschema::validator_for(&document)?));
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.splitn(3, ' ');
        let (kind, style, text) = (words.next(), words.next(), words.next().ok_or("KIND STYLE TEXT")?);
        let known = |(k, s, _): &&(_, _, _)| Some(*k) == kind && Some(*s) == style;
        let (_, _, validator) = validators.iter().find(known).ok_or("KIND STYLE TEXT")?;
        writeln!(out, "{}", validator.is_valid(&serde_json::from_str(text)?))?;
    }
    Ok(())
}
