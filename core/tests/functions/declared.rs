//! The public names of each language, from the files that users' tools read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The languages, in the order of the page's columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Language {
    Rust,
    Python,
    Node,
    Kotlin,
    Swift,
    C,
    Go,
}

impl Language {
    pub const ALL: [Self; 7] = [
        Self::Rust,
        Self::Python,
        Self::Node,
        Self::Kotlin,
        Self::Swift,
        Self::C,
        Self::Go,
    ];

    /// This language's spelling of a name in the table, such as `Client.new_key`.
    pub fn spell(self, name: &str) -> String {
        let (scope, name) = name.rsplit_once('.').unwrap_or(("", name));
        let scope = match (scope, self) {
            ("", Self::Kotlin) if name == "Client" => return "SkipClient".to_owned(),
            ("Client", Self::Kotlin) => "SkipClient",
            ("ConnectionInfo", Self::C | Self::Go) => "Connection",
            ("Problem", Self::C) => "Problems",
            ("SkipError", Self::Kotlin) => "SkipException",
            ("SkipError", Self::Rust | Self::C | Self::Go) => "Error",
            ("ikev2", Self::Kotlin) => "Ikev2",
            ("ikev2", Self::Swift) => "IKEv2",
            // a package has no parts
            ("ikev2", Self::Go) => "",
            _ => scope,
        };
        let word = |word: &str| match (word, self) {
            ("id" | "ppk", Self::Swift | Self::Go) | ("tls" | "url", Self::Go) => word.to_uppercase(),
            ("ids", Self::Swift | Self::Go) => "IDs".to_owned(),
            _ => word[..1].to_uppercase() + &word[1..],
        };
        let pascal: String = name.split('_').map(word).collect();
        let (name, separator) = match self {
            Self::Rust => (name.to_owned(), "::"),
            Self::Python => (name.to_owned(), "."),
            Self::C => (name.to_owned(), "_"),
            Self::Go => (pascal, "."),
            Self::Node | Self::Kotlin | Self::Swift => {
                let first = name.split('_').next().map_or(0, str::len);
                (name[..first].to_owned() + &pascal[first..], ".")
            }
        };
        let name = if scope.is_empty() {
            name
        } else {
            format!("{scope}{separator}{name}")
        };
        match self {
            Self::C => format!("skip_{}", name.to_lowercase()),
            _ => name,
        }
    }

    /// The public names, each with the text of its declaration.
    pub fn declared(self, root: &Path) -> BTreeMap<String, String> {
        let found = match self {
            Self::Rust => rust(root),
            Self::Python => python(root),
            Self::Node => node(root),
            Self::Kotlin => scan_all(&files(root, "bindings/kotlin/src/main/kotlin", "kt"), ".", kotlin),
            Self::Swift => {
                let mut sources = files(root, "bindings/swift/Sources/SkipClient", "swift");
                // deprecated spellings
                sources.retain(|source| {
                    !source.ends_with("Generated/CoreBindings.swift") && !source.ends_with("Deprecated.swift")
                });
                scan_all(&sources, ".", swift)
            }
            Self::C => c(&read(&root.join("bindings/c/include/skip_client.h"))),
            Self::Go => {
                let mut sources = files(root, "bindings/go", "go");
                sources.retain(|source| !source.to_string_lossy().ends_with("_test.go"));
                go(&sources)
            }
        };
        assert!(found.len() > 50, "{self:?}: only {} names were found", found.len());
        found
    }
}

/// The declaration in a line.
enum Item {
    /// A type, or another scope.
    Scope(String),
    /// A scope that also has the members of another one.
    Child(String, String),
    /// Anything else.
    Name(String),
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder with an extension.
fn files(root: &Path, folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The identifier at the start of a text.
fn identifier(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// The text after these words, which may come in any order; and whether one of `needed` was among
/// them.
fn without<'a>(mut text: &'a str, words: &[&str], needed: &[&str]) -> (&'a str, bool) {
    let mut found = needed.is_empty();
    while let Some((word, rest)) = text.split_once(' ')
        && words.contains(&word)
    {
        found |= needed.contains(&word);
        text = rest.trim_start();
    }
    (text, found)
}

/// Names by indentation, which formatters guarantee: a scope ends where a line is not indented more than its beginning.
fn scan(
    text: &str,
    separator: &str,
    classify: impl Fn(&str, usize) -> Option<Item>,
    found: &mut BTreeMap<String, String>,
    parents: &mut Vec<(String, String)>,
) {
    let mut scopes: Vec<(usize, String)> = Vec::new();
    let mut last: Option<String> = None;
    let mut in_docstring = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let quotes = trimmed.matches("\"\"\"").count();
        let was_in_docstring = in_docstring;
        in_docstring ^= quotes == 1;
        if was_in_docstring {
            continue;
        }
        if !trimmed.is_empty() && !trimmed.starts_with(['/', '*', '#', '"', '@', '}', ')', ']']) {
            while scopes.last().is_some_and(|(depth, _)| *depth >= indent) {
                scopes.pop();
            }
            let depth = indent - scopes.last().map_or(0, |(depth, _)| *depth);
            let item = (scopes.is_empty() == (indent == 0))
                .then(|| classify(trimmed, depth))
                .flatten();
            if let Some(item) = item {
                let join = |name: &str| {
                    let mut parts: Vec<&str> = scopes.iter().map(|(_, name)| name.as_str()).collect();
                    parts.push(name);
                    parts.join(separator)
                };
                let (name, parent, is_scope) = match &item {
                    Item::Scope(name) => (name, None, true),
                    Item::Child(name, parent) => (name, Some(parent), true),
                    Item::Name(name) => (name, None, false),
                };
                let full = join(name);
                parents.extend(parent.map(|parent| (full.clone(), parent.clone())));
                if is_scope {
                    scopes.push((indent, name.clone()));
                }
                found.entry(full.clone()).or_default();
                last = Some(full);
            }
        }
        // comments may mention removed declarations
        let is_comment = ["/", "* ", "*/", "#"].iter().any(|begin| trimmed.starts_with(begin));
        if let Some(text) = last
            .as_ref()
            .filter(|_| !is_comment)
            .and_then(|last| found.get_mut(last))
        {
            *text += line;
            *text += "\n";
        }
    }
}

/// Gives children the members of their parents.
fn inherit(found: &mut BTreeMap<String, String>, parents: &[(String, String)]) {
    for (child, parent) in parents {
        let prefix = format!("{parent}.");
        let members: Vec<(String, String)> = found
            .iter()
            .filter_map(|(name, text)| Some((format!("{child}.{}", name.strip_prefix(&prefix)?), text.clone())))
            .collect();
        for (name, text) in members {
            found.entry(name).or_insert(text);
        }
    }
}

fn scan_all(
    sources: &[PathBuf],
    separator: &str,
    classify: impl Fn(&str, usize) -> Option<Item>,
) -> BTreeMap<String, String> {
    let (mut found, mut parents) = (BTreeMap::new(), Vec::new());
    for source in sources {
        scan(&read(source), separator, &classify, &mut found, &mut parents);
    }
    inherit(&mut found, &parents);
    found
}

/// The names in lists that begin with `begin` and end with `end`.
fn listed(text: &str, begin: &str, end: char) -> BTreeSet<String> {
    text.split(begin)
        .skip(1)
        .filter_map(|rest| rest.split(end).next())
        .flat_map(|list| list.split(','))
        .filter_map(|name| identifier(name.trim().trim_matches('"').trim_start_matches("type ")))
        .map(str::to_owned)
        .collect()
}

/// The names whose first part is exported, with the prefix of the module that exports them.
fn exported(
    names: BTreeMap<String, String>,
    separator: &str,
    modules: &[(String, BTreeSet<String>)],
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, text) in names {
        let head = identifier(&name).unwrap_or_default();
        for (prefix, exports) in modules {
            if exports.contains(head) {
                let prefix = if prefix.is_empty() {
                    String::new()
                } else {
                    format!("{prefix}{separator}")
                };
                found.insert(format!("{prefix}{name}"), text.clone());
            }
        }
    }
    found
}

fn rust(root: &Path) -> BTreeMap<String, String> {
    // `pub use` in lib.rs, in its inline modules, and whole modules; what is hidden from the documentation is not public
    let library = read(&root.join("core/src/lib.rs"));
    let mut modules = vec![(String::new(), BTreeSet::new())];
    let mut hidden = false;
    let mut found = BTreeMap::new();
    for line in library.lines() {
        if line.starts_with("#[doc(hidden)]") {
            hidden = true;
        } else if let Some(name) = line.strip_prefix("pub mod ").filter(|_| !hidden) {
            let module = identifier(name).unwrap_or_default().to_owned();
            if line.ends_with('{') {
                modules.push((module, BTreeSet::new()));
            } else {
                let file = root.join(format!("core/src/{module}.rs"));
                if file.exists() {
                    let names = scan_all(&[file], "::", rust_item);
                    found.extend(
                        names
                            .into_iter()
                            .map(|(name, text)| (format!("{module}::{name}"), text)),
                    );
                }
            }
        } else if let Some(list) = line.trim_start().strip_prefix("pub use ").filter(|_| !hidden) {
            let names = match list.split_once('{') {
                Some((_, names)) => names
                    .split(['}', ','])
                    .filter_map(|name| identifier(name.trim()))
                    .collect(),
                None => list
                    .trim_end_matches(';')
                    .rsplit("::")
                    .next()
                    .into_iter()
                    .collect::<Vec<_>>(),
            };
            let inner = line.starts_with(' ');
            let module = if inner { modules.last_mut() } else { modules.first_mut() };
            module
                .expect("the crate")
                .1
                .extend(names.into_iter().map(str::to_owned));
        }
        hidden &= line.starts_with("#[");
    }
    let names = scan_all(&files(root, "core/src", "rs"), "::", rust_item);
    found.extend(exported(names, "::", &modules));
    found
}

fn rust_item(line: &str, _: usize) -> Option<Item> {
    if let Some(mut rest) = line.strip_prefix("impl") {
        if rest.starts_with('<') {
            rest = rest.split_once("> ")?.1;
        }
        let target = |text: &str| identifier(text.trim()).map(str::to_owned);
        return Some(Item::Scope(match rest.split_once(" for ") {
            Some((of, name)) => format!("{}: {}", target(name)?, target(of)?),
            None => target(rest)?,
        }));
    }
    let rest = line.strip_prefix("pub ")?;
    if let Some(name) = rest
        .strip_prefix("struct ")
        .or(rest.strip_prefix("enum "))
        .or(rest.strip_prefix("trait "))
    {
        return Some(Item::Scope(identifier(name)?.to_owned()));
    }
    let (rest, is_item) = without(rest, &["async", "const", "unsafe", "fn"], &["fn", "const"]);
    // or a field
    let is_item = is_item || identifier(rest).is_some_and(|name| rest[name.len()..].starts_with(": "));
    is_item
        .then(|| identifier(rest).map(|name| Item::Name(name.to_owned())))
        .flatten()
}

fn python(root: &Path) -> BTreeMap<String, String> {
    let module = |name: &str| {
        let text = read(&root.join(format!("python/skip_client/{name}.py")));
        listed(&text, "__all__ = [", ']')
    };
    let mut modules = vec![(String::new(), module("__init__"))];
    modules.extend(["ikev2", "testing"].map(|name| (name.to_owned(), module(name))));
    let mut sources = files(root, "python/skip_client", "py");
    sources.extend(files(root, "python/skip_client", "pyi"));
    let names = scan_all(&sources, ".", |line, depth| {
        if let Some(name) = line.strip_prefix("class ") {
            return Some(Item::Scope(identifier(name)?.to_owned()));
        }
        let (rest, is_function) = without(line, &["async", "def"], &["def"]);
        let name = identifier(rest)?;
        // a function, a constant, or a field of a class
        let is_name = is_function
            || (depth <= 4 && rest[name.len()..].starts_with(": "))
            || (depth == 0 && rest[name.len()..].starts_with(" = "));
        is_name.then(|| Item::Name(name.to_owned()))
    });
    exported(names, ".", &modules)
}

fn node(root: &Path) -> BTreeMap<String, String> {
    let mut exports = BTreeSet::new();
    for entry in ["index", "node"] {
        let text = read(&root.join(format!("node/lib/{entry}.ts"))).replace("export type {", "export {");
        exports.extend(listed(&text, "export {", '}'));
    }
    let mut sources = files(root, "node/lib", "ts");
    sources.retain(|source| !source.components().any(|part| part.as_os_str() == "generated"));
    let names = scan_all(&sources, ".", |line, depth| {
        let (rest, _) = without(line, &["export", "abstract"], &[]);
        for word in ["class ", "interface ", "const ", "type "] {
            let Some(rest) = rest.strip_prefix(word).filter(|_| depth == 0) else {
                continue;
            };
            let name = identifier(rest)?.to_owned();
            let parent = rest.split_once(" extends ").and_then(|(_, parent)| identifier(parent));
            return Some(parent.map_or_else(
                || Item::Scope(name.clone()),
                |parent| Item::Child(name.clone(), parent.to_owned()),
            ));
        }
        let (rest, is_function) = without(
            rest,
            &["function", "async", "get", "readonly", "static", "override"],
            &["function"],
        );
        let name = identifier(rest)?;
        let is_member = depth == 2
            && rest[name.len()..]
                .trim_start_matches('?')
                .starts_with(['(', ':', '<', ' ', '=']);
        (is_function || is_member).then(|| Item::Name(name.to_owned()))
    });
    // names that the build writes from the core's tables
    let mut names = names;
    for name in ["exportFormats", "errorCodes", "ExportFormat", "ErrorCode"] {
        if exports.contains(name) {
            names.insert(name.to_owned(), String::new());
        }
    }
    exported(names, ".", &[(String::new(), exports)])
}

fn kotlin(line: &str, _: usize) -> Option<Item> {
    let words = [
        "public", "open", "override", "suspend", "inline", "abstract", "sealed", "data", "enum", "operator", "fun",
        "val", "var", "const",
    ];
    let (rest, is_public) = without(line, &words, &["public", "override"]);
    if !is_public {
        return None;
    }
    for word in ["class ", "object ", "interface ", "fun interface "] {
        if let Some(name) = rest.strip_prefix(word) {
            return Some(Item::Scope(identifier(name)?.to_owned()));
        }
    }
    let rest = if rest.starts_with('<') {
        rest.split_once("> ")?.1
    } else {
        rest
    };
    identifier(rest)
        .filter(|name| !["companion", "constructor"].contains(name))
        .map(|name| Item::Name(name.to_owned()))
}

fn swift(line: &str, _: usize) -> Option<Item> {
    if let Some(name) = line.strip_prefix("extension ") {
        return Some(Item::Scope(identifier(name)?.to_owned()));
    }
    let (rest, is_public) = without(line, &["public", "static", "final", "convenience"], &["public"]);
    if !is_public {
        return None;
    }
    for word in ["class ", "struct ", "enum ", "protocol ", "extension "] {
        if let Some(name) = rest.strip_prefix(word) {
            return Some(Item::Scope(identifier(name)?.to_owned()));
        }
    }
    let (rest, _) = without(rest, &["func", "var", "let"], &[]);
    let name = if rest.starts_with("== ") {
        "=="
    } else {
        identifier(rest)?
    };
    Some(Item::Name(name.to_owned()))
}

fn c(header: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for declaration in header.split(";\n") {
        let code: Vec<&str> = declaration
            .lines()
            .skip_while(|line| !line.contains('(') || line.starts_with([' ', '/', '*', '#']))
            .collect();
        let code = code.join(" ");
        let name = code
            .split_once('(')
            .and_then(|(before, _)| before.rsplit([' ', '*']).next());
        if let Some(name) = name.filter(|name| name.starts_with("skip_")) {
            found.insert(name.to_owned(), code.clone());
        }
    }
    found
}

fn go(sources: &[PathBuf]) -> BTreeMap<String, String> {
    let (mut found, mut parents) = (BTreeMap::new(), Vec::new());
    for source in sources {
        let text = read(source);
        let mut inside: Option<String> = None;
        for declaration in text.split("\n\n").flat_map(|part| part.lines()) {
            let line = declaration;
            let field = line.strip_prefix('\t').filter(|rest| !rest.starts_with(['\t', '/']));
            let names: Vec<String> = if let Some(rest) = line.strip_prefix("func (") {
                let of = rest
                    .split_once(')')
                    .map_or("", |(receiver, _)| receiver.rsplit([' ', '*']).next().unwrap_or(""));
                let name = rest.split_once(") ").and_then(|(_, rest)| identifier(rest));
                name.map(|name| format!("{of}.{name}")).into_iter().collect()
            } else if let Some(rest) = line.strip_prefix("func ").or(line.strip_prefix("type ")) {
                identifier(rest).map(str::to_owned).into_iter().collect()
            } else if let (Some(of), Some(field)) = (&inside, field) {
                let (names, rest) = field.split_once(' ').unwrap_or((field, ""));
                if rest.is_empty() {
                    parents.push((of.clone(), names.to_owned()));
                }
                // several names of one type
                let names = if names.ends_with(',') { field } else { names };
                names
                    .split(", ")
                    .filter_map(identifier)
                    .map(|name| format!("{of}.{name}"))
                    .collect()
            } else {
                Vec::new()
            };
            if line.starts_with("type ") {
                inside = line.ends_with("struct {").then(|| names.first().cloned()).flatten();
            } else if line == "}" {
                inside = None;
            }
            for name in names {
                found.insert(name, line.to_owned());
            }
        }
    }
    inherit(&mut found, &parents);
    // exported: the last part begins with a capital, and so does the first
    found.retain(|name, _| name.split('.').all(|part| part.starts_with(char::is_uppercase)));
    found
}
