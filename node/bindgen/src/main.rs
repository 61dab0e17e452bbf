//! Makes the generated modules of the npm package: `skip-client-node-bindgen FILE.wasm FOLDER`.
//!
//! The JavaScript around the WebAssembly comes from wasm-bindgen's own generator, locked to the version of the library by
//! Cargo.lock; nothing is installed. The WebAssembly goes into a module as packed base64, so that it loads at once, without a path
//! or a request, also from a file. Error codes and schemas come from the core itself.

use std::error::Error;
use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use skip_client::{ErrorCode, MessageKind, SchemaStyle, schema};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [wasm, folder] = &arguments[..] else {
        return Err("usage: skip-client-node-bindgen FILE.wasm FOLDER".into());
    };
    let folder = Path::new(folder);
    Bindgen::new()
        .input_path(wasm)
        .out_name("core")
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)?;

    let binary = folder.join("core_bg.wasm");
    let bytes = fs::read(&binary)?;
    fs::remove_file(binary)?;
    fs::remove_file(folder.join("core_bg.wasm.d.ts"))?;
    let (packed, size) = (Base64::encode_string(&pack(&bytes)?), bytes.len());
    write(
        folder,
        "bytes",
        &format!("export default \"{packed}\";\nexport const size = {size};\n"),
        "declare const packed: string;\nexport default packed;\nexport declare const size: number;\n",
    )?;

    let codes = ErrorCode::ALL.map(|code| format!("\"{}\"", code.as_str())).join(", ");
    write(
        folder,
        "codes",
        &format!("export const errorCodes = Object.freeze([{codes}]);\n"),
        &format!(
            "/** The codes of all errors. */\nexport declare const errorCodes: readonly [{codes}];\n\
             /** What went wrong, as a stable name. */\nexport type ErrorCode = (typeof errorCodes)[number];\n"
        ),
    )?;

    let pairs = MessageKind::ALL.map(|kind| {
        let [strict, published] = [SchemaStyle::Strict, SchemaStyle::AsPublished].map(|style| schema(kind, style));
        format!(
            "  {}: {{ strict: {strict}, asPublished: {published} }},\n",
            kind.as_str()
        )
    });
    let pair = "Record<\"strict\" | \"asPublished\", Record<string, unknown>>";
    write(
        folder,
        "schemas",
        &format!("export default {{\n{}}};\n", pairs.concat()),
        &format!(
            "declare const schemas: Record<\"capabilities\" | \"key\" | \"entropy\", {pair}>;\nexport default schemas;\n"
        ),
    )
}

/// DEFLATE without a header, as small as it gets: browsers load it more often than we make it.
fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Deflate, bytes, &mut packed)?;
    Ok(packed)
}

fn write(folder: &Path, name: &str, script: &str, types: &str) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join(name).with_extension("js"), script)?;
    Ok(fs::write(folder.join(name).with_extension("d.ts"), types)?)
}
