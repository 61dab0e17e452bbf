//! The parts of front ends with a line for each option are generated from the core's table; this test compares them with it.
//! `OPTIONS_UPDATE=1 cargo test -p skip-client --test front_ends` updates them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use skip_client::ExportFormat;
use skip_client::error::{FrontEnd, Spelling as _};
use skip_client::options::{ClientOption, OPTIONS, OptionKind, camel_case};

/// A section of a file, between lines with `options:NAME begin` and `options:NAME end`.
struct Part {
    file: &'static str,
    name: &'static str,
    line: fn(&ClientOption) -> String,
}

const PARTS: [Part; 11] = [
    Part {
        file: "python/skip_client/types.py",
        name: "types",
        line: python_type,
    },
    Part {
        file: "python/skip_client/_options.py",
        name: "table",
        line: python_row,
    },
    Part {
        file: "bindings/kotlin/src/main/kotlin/io/github/skipclient/ClientOptions.kt",
        name: "parameters",
        line: kotlin_parameter,
    },
    Part {
        file: "bindings/kotlin/src/main/kotlin/io/github/skipclient/ClientOptions.kt",
        name: "settings",
        line: kotlin_setting,
    },
    Part {
        file: "bindings/kotlin/src/main/kotlin/io/github/skipclient/ClientOptions.kt",
        name: "builder",
        line: kotlin_builder,
    },
    Part {
        file: "bindings/swift/Sources/SkipClient/ClientOptions.swift",
        name: "properties",
        line: swift_property,
    },
    Part {
        file: "bindings/swift/Sources/SkipClient/ClientOptions.swift",
        name: "parameters",
        line: swift_parameter,
    },
    Part {
        file: "bindings/swift/Sources/SkipClient/ClientOptions.swift",
        name: "assignments",
        line: swift_assignment,
    },
    Part {
        file: "bindings/swift/Sources/SkipClient/ClientOptions.swift",
        name: "settings",
        line: swift_setting,
    },
    Part {
        file: "bindings/go/options.go",
        name: "fields",
        line: go_field,
    },
    Part {
        file: "docs/options.md",
        name: "table",
        line: markdown_row,
    },
];

fn python_type(option: &ClientOption) -> String {
    let kind = match option.kind {
        OptionKind::Flag { .. } => "bool".to_owned(),
        OptionKind::Seconds { .. } => "float".to_owned(),
        OptionKind::Choice(words) => format!("Literal[{}]", quoted(words)),
        _ => "str | None".to_owned(),
    };
    format!("    {}: {kind}\n    \"\"\"{}.\"\"\"\n", option.name, with_unit(option))
}

/// The help text for languages in which a time is a number.
fn with_unit(option: &ClientOption) -> String {
    let is_time = matches!(option.kind, OptionKind::Seconds { .. });
    format!("{}{}", option.help, if is_time { ", in seconds" } else { "" })
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn python_row(option: &ClientOption) -> String {
    let kind = match option.kind {
        OptionKind::Flag { default: false } => "on",
        OptionKind::Flag { default: true } => "off",
        OptionKind::Seconds { .. } => "seconds",
        _ => "text",
    };
    format!(
        "    \"{}\": (\n        \"{kind}\",\n        \"{}\",\n    ),\n",
        option.name,
        with_unit(option)
    )
}

fn kotlin_default(option: &ClientOption) -> (String, String) {
    match option.kind {
        OptionKind::Flag { default } => ("Boolean".into(), default.to_string()),
        OptionKind::Seconds { default: 0, .. } => ("Duration".into(), "Duration.ZERO".into()),
        OptionKind::Seconds { default, .. } => ("Duration".into(), format!("Duration.ofSeconds({default})")),
        OptionKind::Choice(_) => ("TlsVersion".into(), "TlsVersion.AUTO".into()),
        _ => ("String?".into(), "null".into()),
    }
}

fn kotlin_parameter(option: &ClientOption) -> String {
    let (kind, default) = kotlin_default(option);
    let name = camel_case(option.name);
    format!(
        "    /** {}. */\n    public var {name}: {kind} = {default},\n",
        option.help
    )
}

fn kotlin_builder(option: &ClientOption) -> String {
    let (kind, _) = kotlin_default(option);
    let name = camel_case(option.name);
    format!(
        "\n        /** See [ClientOptions.{name}]. */\n        public fun {name}({name}: {kind}): Builder = set {{ it.{name} = {name} }}\n"
    )
}

fn kotlin_setting(option: &ClientOption) -> String {
    let (name, property) = (option.name, camel_case(option.name));
    match option.kind {
        OptionKind::Flag { .. } => format!("            put(\"{name}\", {property}.toString())\n"),
        OptionKind::Seconds { .. } => format!("            put(\"{name}\", {property}.inSeconds())\n"),
        OptionKind::Choice(_) => format!("            put(\"{name}\", {property}.text)\n"),
        _ => format!("            {property}?.let {{ put(\"{name}\", it) }}\n"),
    }
}

fn swift_default(option: &ClientOption) -> (String, String) {
    match option.kind {
        OptionKind::Flag { default } => ("Bool".into(), default.to_string()),
        OptionKind::Seconds { default, .. } => ("TimeInterval".into(), default.to_string()),
        OptionKind::Choice(_) => ("TLSVersion".into(), ".auto".into()),
        _ => ("String?".into(), "nil".into()),
    }
}

fn swift_property(option: &ClientOption) -> String {
    let (kind, _) = swift_default(option);
    format!(
        "    /// {}.\n    public var {}: {kind}\n",
        with_unit(option),
        camel_case(option.name)
    )
}

fn swift_parameter(option: &ClientOption) -> String {
    let (kind, default) = swift_default(option);
    let last = OPTIONS.last().is_some_and(|last| last.name == option.name);
    let comma = if last { "" } else { "," };
    format!("        {}: {kind} = {default}{comma}\n", camel_case(option.name))
}

fn swift_assignment(option: &ClientOption) -> String {
    let name = camel_case(option.name);
    format!("        self.{name} = {name}\n")
}

fn swift_setting(option: &ClientOption) -> String {
    let (name, property) = (option.name, camel_case(option.name));
    let value = match option.kind {
        OptionKind::Flag { .. } => format!("String({property})"),
        OptionKind::Seconds { .. } => format!("inSeconds({property})"),
        OptionKind::Choice(_) => format!("{property}.rawValue"),
        _ => property,
    };
    format!("        settings[\"{name}\"] = {value}\n")
}

fn go_field(option: &ClientOption) -> String {
    let name = FrontEnd::Go.name(option.name);
    let help = option.help;
    let (comment, field) = match option.kind {
        OptionKind::Flag { default: true } => {
            let (first, rest) = help.split_at(1);
            let comment = format!("{name}: do not {}{rest}.", first.to_lowercase());
            (comment, format!("{name} bool `option:\"{}=false\"`", option.name))
        }
        OptionKind::Flag { default: false } => (
            format!("{name}: {help}."),
            format!("{name} bool `option:\"{}=true\"`", option.name),
        ),
        OptionKind::Seconds { default, .. } => (
            // a duration has its own unit
            format!("{name}: {help}; {default} s unless given."),
            format!("{name} time.Duration `option:\"{}\"`", option.name),
        ),
        _ => (
            format!("{name}: {help}."),
            format!("{name} string `option:\"{}\"`", option.name),
        ),
    };
    // a separate comment, so that it is not taken for the doc of the first field
    format!("\n\t// {comment}\n\t{field}\n")
}

fn markdown_row(option: &ClientOption) -> String {
    let default = match option.kind {
        OptionKind::Flag { default: true } => "on".to_owned(),
        OptionKind::Flag { default: false } => "off".to_owned(),
        OptionKind::Seconds { default, .. } => format!("{default} s"),
        OptionKind::Choice(words) => words[0].to_owned(),
        _ => String::new(),
    };
    let kebab = FrontEnd::Agent.name(option.name);
    let argument = FrontEnd::CommandLine.name(option.name);
    let flag = match option.kind {
        OptionKind::Flag { .. } => format!("`{argument}`"),
        OptionKind::Text { placeholder } => format!("`{argument} {placeholder}`"),
        OptionKind::Choice(_) => format!("`{argument} VERSION`"),
        _ => format!("`{argument} S`"),
    };
    let per_call = if option.per_call {
        " A single call may have another."
    } else {
        ""
    };
    format!(
        "| `{}` | {flag} | `{kebab}` | `{}` | `{}` | {default} | {}.{per_call} |\n",
        option.name,
        camel_case(option.name),
        FrontEnd::Go.name(option.name),
        option.help
    )
}

fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    // the published crate contains no front ends
    root.join("bindings").is_dir().then(|| root.to_owned())
}

#[test]
fn every_front_end_has_every_option() {
    let Some(root) = root() else { return };
    let update = std::env::var_os("OPTIONS_UPDATE").is_some();
    let mut wrong = String::new();
    for part in PARTS {
        let file = root.join(part.file);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", part.file));
        let begin = text.find(&format!("options:{} begin", part.name));
        let begin = begin.and_then(|at| Some(at + text[at..].find('\n')? + 1));
        let end = text
            .find(&format!("options:{} end", part.name))
            .and_then(|at| Some(text[..at].rfind('\n')? + 1));
        let (Some(begin), Some(end)) = (begin, end) else {
            panic!("{} has no part options:{}", part.file, part.name);
        };
        let options = || OPTIONS.iter().filter(|option| !option.kind.is_credential());
        let made: String = options().map(part.line).collect();
        if text[begin..end] == made {
            continue;
        }
        if update {
            let updated = format!("{}{made}{}", &text[..begin], &text[end..]);
            fs::write(&file, updated).expect("the file can be written");
            continue;
        }
        let lacking: Vec<&str> = options()
            .filter(|option| !text[begin..end].contains(&(part.line)(option)))
            .map(|option| option.name)
            .collect();
        let _ = writeln!(wrong, "{} (options:{}): {}", part.file, part.name, lacking.join(", "));
    }
    assert!(
        wrong.is_empty(),
        "not as in core/src/options:\n{wrong}OPTIONS_UPDATE=1 cargo test -p skip-client --test front_ends writes them"
    );
}

/// How a place spells the name of an export format.
type Spelled = fn(&str) -> String;

/// The places that name each export format.
const FORMATS: [(&str, Spelled); 7] = [
    ("bindings/go/secrets.go", |name| format!("Format = \"{name}\"")),
    (
        "bindings/kotlin/src/main/kotlin/io/github/skipclient/Secrets.kt",
        |name| format!("    {}(\"{name}\"),", name.to_uppercase()),
    ),
    ("bindings/swift/Sources/SkipClient/Secrets.swift", |name| {
        format!("    case {name}\n")
    }),
    ("python/skip_client/types.py", |name| format!("\"{name}\"")),
    ("docs/command-line.md", |name| format!("`{name}`")),
    ("docs/agent.md", |name| format!("`{name}`")),
    ("tests/vectors/draft-cisco-skip-02/export.json", |name| {
        format!("\"{name}\"")
    }),
];

#[test]
fn every_front_end_has_every_export_format() {
    let Some(root) = root() else { return };
    for (file, spelled) in FORMATS {
        let text = fs::read_to_string(root.join(file)).expect(file);
        for name in ExportFormat::ALL.map(ExportFormat::as_str) {
            assert!(text.contains(&spelled(name)), "{file} lacks the export format {name}");
        }
    }
}

/// Errors name options as they are written: each name is in the file where the front end declares it.
#[test]
fn errors_spell_options_as_front_ends_declare_them() {
    let Some(root) = root() else { return };
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let kotlin = read("bindings/kotlin/src/main/kotlin/io/github/skipclient/ClientOptions.kt");
    let swift = read("bindings/swift/Sources/SkipClient/ClientOptions.swift");
    let go = read("bindings/go/options.go");
    let node = read("node/lib/client/options.ts");
    let python = read("python/skip_client/_core.pyi") + &read("python/skip_client/types.py");
    let agent = read("docs/agent.md") + &read("docs/options.md");
    let help = read("crates/cli/tests/snapshots/help__capabilities.snap");
    for option in OPTIONS {
        for front_end in FrontEnd::ALL {
            let name = front_end.name(option.name);
            let is_declared = match front_end {
                FrontEnd::CommandLine => help.split_whitespace().any(|word| word == name),
                FrontEnd::Agent => agent.contains(&format!("`{name}`")),
                // a pair with the certificate
                FrontEnd::Python if name == "key" => python.contains("cert: tuple[Pem, Pem]"),
                FrontEnd::Python => python.contains(&format!(" {name}: ")),
                FrontEnd::Kotlin => kotlin.contains(&format!("public var {name}: ")),
                FrontEnd::Swift => swift.contains(&format!("public var {name}: ")),
                FrontEnd::Go => go.contains(&format!("\t{name} ")),
                FrontEnd::Node => node.contains(&format!("\n  {name}?: ")),
                other => panic!("where does {other:?} declare its options?"),
            };
            assert!(is_declared, "{front_end:?} has no {name}");
        }
    }
    assert!(kotlin.contains("public var systemCa: ") && swift.contains("public var systemCA: "));
    assert!(go.contains("\tSystemCA bool"));
    for version in ["auto", "1.2", "1.3"] {
        let kotlin_word = FrontEnd::Kotlin
            .setting("tls", version)
            .replace("tls = TlsVersion.", "    ");
        assert!(
            kotlin.contains(&format!("{kotlin_word}(\"{version}\")")),
            "{kotlin_word}"
        );
        let swift_word = FrontEnd::Swift.setting("tls", version).replace("tls: .", "case ");
        assert!(swift.contains(&format!("{swift_word} = \"{version}\"")), "{swift_word}");
    }
}
