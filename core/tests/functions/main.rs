//! docs/functions.md lists the functions of each language. This test generates it from `table.txt`,
//! and looks every name up in the sources: it fails for a language that lacks a function or names
//! it differently. `FUNCTIONS_UPDATE=1 cargo test -p skip-client --test functions` updates the
//! page.

mod declared;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use declared::Language;

const TABLE: &str = include_str!("table.txt");

/// One row: a name in Python's spelling, its purpose, and the exceptions by language (or
/// `command`).
struct Row {
    name: &'static str,
    purpose: &'static str,
    exceptions: BTreeMap<&'static str, &'static str>,
}

fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    // the published crate contains no front ends
    root.join("bindings").is_dir().then(|| root.to_owned())
}

/// The sections of the table with their rows.
fn sections() -> Vec<(&'static str, Vec<Row>)> {
    let mut sections: Vec<(&str, Vec<Row>)> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[') {
            sections.push((title.trim_end_matches(']'), Vec::new()));
            continue;
        }
        let (name, text) = line.split_once(": ").expect("a name and a text");
        let rows = &mut sections.last_mut().expect("a section").1;
        match name.strip_prefix("    ") {
            Some(language) => {
                let row = rows.last_mut().expect("a row");
                assert!(
                    row.exceptions.insert(language, text).is_none(),
                    "{}: {language} twice",
                    row.name
                );
            }
            None => rows.push(Row {
                name,
                purpose: text,
                exceptions: BTreeMap::new(),
            }),
        }
    }
    sections
}

/// A language with its public names, and those that are on the page.
struct Column {
    language: Language,
    names: BTreeMap<String, String>,
    shown: BTreeSet<String>,
}

impl Column {
    /// The cell of a row; complaints go to `wrong`.
    fn cell(&mut self, row: &Row, wrong: &mut String) -> String {
        let Self { language, names, shown } = self;
        let usual = language.spell(row.name);
        let own = row.exceptions.get(format!("{language:?}").as_str());
        let exception = own.or(row.exceptions.get("others"));
        if let Some(instead) = exception.and_then(|text| text.strip_prefix("- ")) {
            if names.contains_key(&usual) {
                let _ = writeln!(wrong, "{language:?} has {usual}, which the table says it lacks");
            }
            return instead.to_owned();
        }
        let mut cells = Vec::new();
        for text in exception.copied().unwrap_or(&usual).split(", ") {
            let (parameter, name) = match text.split_once(" in ") {
                Some((parameter, name)) => (Some(parameter), name),
                None => (None, text),
            };
            match (names.get(name), parameter) {
                (None, _) => drop(writeln!(wrong, "{language:?} lacks {name}: {}", row.purpose)),
                (Some(declaration), Some(parameter)) if !declaration.contains(parameter) => {
                    let _ = writeln!(wrong, "{language:?}: {name} lacks {parameter}: {}", row.purpose);
                }
                _ => {}
            }
            // a constructor is shown by the name of its type
            let short = name
                .trim_end_matches(".__new__")
                .rsplit(['.', ':'])
                .next()
                .unwrap_or(name);
            cells.push(match parameter {
                Some(parameter) => format!("`{parameter}` of `{short}`"),
                None => format!("`{name}`"),
            });
            shown.insert(name.to_owned());
        }
        cells.join(", ")
    }

    /// Functions, and members of the client's types, that are in no row.
    fn forgotten(&self) -> impl Iterator<Item = &String> {
        // formatting, construction and copying, and Python's protocols
        const ORDINARY: [&str; 14] = [
            "init",
            "constructor",
            "hashCode",
            "toString",
            "description",
            "debugDescription",
            "customMirror",
            "String",
            "GoString",
            "Format",
            "LogValue",
            "MarshalText",
            "new",
            "rules",
        ];
        const GIVEN: [&str; 9] = [
            "Client",
            "SkipClient",
            "Key",
            "Entropy",
            "Capabilities",
            "Connection",
            "ConnectionInfo",
            "Problem",
            "IKEv2",
        ];
        let is_function = |name: &str| match (self.language, name.rsplit_once(['.', ':'])) {
            (Language::C, _) => !["_free", "_new"].iter().any(|end| name.ends_with(end)),
            (_, Some((scope, member))) => {
                GIVEN.contains(&scope.trim_end_matches(':'))
                    && !member.starts_with([' ', '_'])
                    && !ORDINARY.contains(&member)
            }
            (Language::Go, None) => self.names[name].starts_with("func "),
            (_, None) => name.starts_with(char::is_lowercase),
        };
        let is_shown = |name: &String| {
            self.shown
                .iter()
                .any(|shown| shown == name || shown.starts_with(&format!("{name}.")))
        };
        self.names
            .keys()
            .filter(move |name| is_function(name) && !is_shown(name))
    }
}

/// The cell of the command line.
fn command(root: &Path, row: &Row, wrong: &mut String) -> String {
    let Some(text) = row.exceptions.get("command") else {
        return String::new();
    };
    if let Some(text) = text.strip_prefix("- ") {
        return text.to_owned();
    }
    let cells = text.split(", ").map(|text| {
        let (name, option) = text.split_once(' ').unwrap_or((text, ""));
        let file = format!("crates/cli/tests/snapshots/help__{}.snap", name.replace('-', "_"));
        if !fs::read_to_string(root.join(&file)).is_ok_and(|help| help.contains(option)) {
            let _ = writeln!(wrong, "the command line lacks {text} ({file})");
        }
        format!("`{text}`")
    });
    cells.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_of_functions_has_what_the_sources_declare() {
    let Some(root) = root() else { return };
    let mut columns = Language::ALL.map(|language| Column {
        language,
        names: language.declared(&root),
        shown: BTreeSet::new(),
    });
    let (mut page, mut wrong) = (String::new(), String::new());
    for (title, rows) in sections() {
        let _ = write!(
            page,
            "\n## {title}\n\n| | Rust | Python | command line | Node | Kotlin, Java | Swift | C | Go |\n"
        );
        page += "|---|---|---|---|---|---|---|---|---|\n";
        for row in rows {
            let _ = write!(page, "| {} |", row.purpose);
            for column in &mut columns {
                let _ = write!(page, " {} |", column.cell(&row, &mut wrong));
                if column.language == Language::Python {
                    let _ = write!(page, " {} |", command(&root, &row, &mut wrong));
                }
            }
            page += "\n";
        }
    }
    for column in &columns {
        for name in column.forgotten() {
            let _ = writeln!(wrong, "{:?}: {name} is in no row", column.language);
        }
    }
    assert!(wrong.is_empty(), "not as in core/tests/functions/table.txt:\n{wrong}");

    let file = root.join("docs/functions.md");
    let text = fs::read_to_string(&file).expect("docs/functions.md");
    let (before, rest) = text.split_once("<!-- begin").expect("the beginning");
    let (first, old) = rest.split_once("-->\n").expect("the beginning");
    let made = format!("{before}<!-- begin{first}-->\n{page}");
    if std::env::var_os("FUNCTIONS_UPDATE").is_some() {
        fs::write(&file, made).expect("the file can be written");
    } else {
        assert!(
            old == page,
            "docs/functions.md is not as the sources: run with FUNCTIONS_UPDATE=1"
        );
    }
}
