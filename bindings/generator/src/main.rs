//! `skip-client-bindgen LIBRARY KOTLIN_DIR SWIFT_DIR HEADER_DIR`: writes what `UniFFI` generates for the native
//! library, with nothing in it public: only the API that is written by hand is for users.

use std::error::Error;
use std::fs;
use std::path::Path;

use uniffi::{GenerateOptions, TargetLanguage, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, kotlin, swift, header] = arguments.as_slice() else {
        return Err("usage: skip-client-bindgen LIBRARY KOTLIN_DIR SWIFT_DIR HEADER_DIR".into());
    };
    for (language, dir) in [(TargetLanguage::Kotlin, kotlin), (TargetLanguage::Swift, swift)] {
        generate(GenerateOptions {
            languages: vec![language],
            source: library.into(),
            out_dir: dir.into(),
            // a formatter of this machine would make the output depend on the machine
            format: false,
            ..GenerateOptions::default()
        })?;
    }
    rewrite(
        &Path::new(kotlin).join("io/github/skipclient/ffi/skip_client_ffi.kt"),
        internal_kotlin,
    )?;
    rewrite(&Path::new(swift).join("CoreBindings.swift"), internal_swift)?;
    let name = "SkipClientFFI.h";
    fs::create_dir_all(header)?;
    fs::rename(Path::new(swift).join(name), Path::new(header).join(name))?;
    Ok(())
}

fn rewrite(file: &Path, line: fn(&str) -> String) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines: Vec<String> = text.lines().map(|text| line(text).trim_end().to_owned()).collect();
    fs::write(file, lines.join("\n") + "\n")?;
    Ok(())
}

/// Makes a declaration of a Kotlin file's top level internal.
fn internal_kotlin(line: &str) -> String {
    const DECLARATIONS: [&str; 13] = [
        "abstract class ",
        "class ",
        "data class ",
        "enum class ",
        "fun ",
        "fun<",
        "inline fun ",
        "interface ",
        "object ",
        "open class ",
        "sealed class ",
        "typealias ",
        "val ",
    ];
    // functions of the top level stand behind an annotation or the end of a comment
    let behind = [") fun ", "*/ fun "]
        .into_iter()
        .find_map(|before| line.find(before).map(|at| at + before.len() - 4));
    let (before, rest) = line.split_at(behind.unwrap_or(0));
    let declaration = rest.strip_prefix("public ").unwrap_or(rest);
    if DECLARATIONS.iter().any(|start| declaration.starts_with(start)) {
        format!("{before}internal {declaration}")
    } else {
        line.to_owned()
    }
}

/// Takes the words away that make a Swift declaration more than internal.
fn internal_swift(line: &str) -> String {
    if line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    line.replace("public ", "")
        .replace("open class ", "final class ")
        .replace("open func ", "func ")
}
