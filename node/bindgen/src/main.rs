//! Makes the generated modules of the npm package: `skip-client-node-bindgen FILE.wasm FOLDER WASM_OPT`.
//!
//! The JavaScript around the WebAssembly comes from wasm-bindgen's own generator, locked to the version of the library by
//! Cargo.lock; nothing is installed. Error codes, export formats and schemas come from the core itself.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use base64ct::{Base64, Encoding};
use skip_client::options::OPTIONS;
use skip_client::{ErrorCode, ExportFormat, MessageKind, SchemaStyle, schema};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [wasm, folder, wasm_opt] = &arguments[..] else {
        return Err("usage: skip-client-node-bindgen FILE.wasm FOLDER WASM_OPT".into());
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

    let (binary, module) = (folder.join("core_bg.wasm"), folder.join("core.wasm"));
    let optimised = Command::new(wasm_opt)
        .args(["-Oz", "--converge", "--enable-bulk-memory", "--enable-sign-ext"])
        .args(["--enable-nontrapping-float-to-int", "--enable-mutable-globals"])
        .args(["--enable-reference-types", "--enable-multivalue"])
        .args([binary.as_os_str(), "-o".as_ref(), module.as_os_str()])
        .status()?;
    if !optimised.success() {
        return Err("wasm-opt failed".into());
    }
    fs::remove_file(binary)?;
    fs::remove_file(folder.join("core_bg.wasm.d.ts"))?;
    // a trap ends an instance for good: without this line the package can start the next one
    let glue = folder.join("core.js");
    let once = "\n    if (wasm !== undefined) return wasm;\n\n\n    if (module !== undefined)";
    let text = fs::read_to_string(&glue)?;
    if text.matches(once).count() != 1 {
        return Err("initSync is not what it was: look at how it keeps the instance".into());
    }
    fs::write(&glue, text.replace(once, "\n    if (module !== undefined)"))?;
    let bytes = fs::read(module)?;
    let packed = Base64::encode_string(&pack(&bytes)?);
    write(
        folder,
        "bytes",
        &format!("export default \"{packed}\";\nexport const size = {};\n", bytes.len()),
        "declare const packed: string;\nexport default packed;\nexport declare const size: number;\n",
    )?;

    let codes = ErrorCode::ALL.map(|code| format!("\"{}\"", code.as_str())).join(", ");
    let formats = ExportFormat::ALL
        .map(|format| format!("\"{}\"", format.as_str()))
        .join(", ");
    write(
        folder,
        "codes",
        &format!(
            "export const errorCodes = /* @__PURE__ */ Object.freeze([{codes}]);\n\
             export const exportFormats = /* @__PURE__ */ Object.freeze([{formats}]);\n"
        ),
        &format!(
            "/** The codes of all errors. */\nexport declare const errorCodes: readonly [{codes}];\n\
             /** What went wrong, as a stable name. */\nexport type ErrorCode = (typeof errorCodes)[number];\n\
             /** The forms in which consumers take a key. */\nexport declare const exportFormats: readonly [{formats}];\n\
             /** A form in which some consumer takes a key. */\nexport type ExportFormat = (typeof exportFormats)[number];\n"
        ),
    )?;

    let options = OPTIONS.map(|option| format!("\"{}\"", option.name)).join(", ");
    fs::write(folder.join("options.json"), format!("[{options}]\n"))?;

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
