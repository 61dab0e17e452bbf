//! The committed header and list of symbols match the sources. `UPDATE=1 cargo test -p skip-client-c --test header`
//! updates them.

use std::path::Path;

#[test]
fn the_header_and_the_symbols_are_those_of_the_sources() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut made = Vec::new();
    cbindgen::generate(here).expect("a header").write(&mut made);
    let header = String::from_utf8(made).expect("UTF-8");
    let symbols = symbols(&header);
    assert!(symbols.contains("skip_client_new;"), "{symbols}");
    for (file, text) in [("include/skip_client.h", header), ("skip_client.map", symbols)] {
        let path = here.join(file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, text).expect("written");
        } else {
            let committed = std::fs::read_to_string(&path).expect("the committed file");
            assert!(
                committed == text,
                "{file} is not what the sources say: run with UPDATE=1"
            );
        }
    }
}

/// The version script: what the header declares, and nothing else, under one version.
fn symbols(header: &str) -> String {
    let declared = header.lines().filter_map(|line| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        (name.starts_with("skip_") && !before.starts_with([' ', '*', '/'])).then_some(name)
    });
    let list: Vec<_> = declared.map(|name| format!("        {name};\n")).collect();
    format!("SKIP_CLIENT_0 {{\n    global:\n{}    local: *;\n}};\n", list.concat())
}
