//! docs/checks has a page for each check, generated from the catalogue: `UPDATE_DOCS=1 cargo test -p skip-client-doctor
//! --test pages` writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use skip_client_doctor::{Id, Profile};

/// The page about a check.
fn page(id: Id) -> String {
    let mut out = format!("# {}\n\n{}.\n\n", id.as_str(), capital(id.title()));
    let of_device = |profile: Profile| {
        let level = profile.level(id)?;
        let word = if profile.forgives(id) {
            "a warning"
        } else {
            level.as_str()
        };
        let differs = level != id.level() || profile.forgives(id) || id.as_str().starts_with("device-");
        differs.then(|| format!("{word} with `--profile {}`", profile.as_str()))
    };
    let mut levels: Vec<String> = Profile::ALL.into_iter().filter_map(of_device).collect();
    if Profile::Draft.level(id).is_some() {
        levels.insert(0, id.level().as_str().to_owned());
    }
    let level = levels.join("; ");
    // writing to a String cannot fail
    let _ = write!(
        out,
        "| | |\n|---|---|\n| section of the draft | {} |\n| level | {level} |\n| control | {} |\n\n",
        id.section(),
        id.control().description()
    );
    let _ = write!(out, "## What is tested\n\n{}\n\n", id.asked());
    let _ = write!(out, "## Why it matters\n\n{}\n\n", id.about());
    let _ = write!(out, "## What to do\n\n{}\n", id.remedy());
    for recipe in id.recipes() {
        if recipe.is_prose {
            let _ = write!(out, "\n{}: {}\n", recipe.server, recipe.text);
        } else {
            let _ = write!(out, "\n{}:\n\n```text\n{}\n```\n", recipe.server, recipe.text);
        }
    }
    let _ = write!(out, "\n[All checks](../doctor.md#the-checks)\n");
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[test]
fn each_check_has_its_page() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/checks"));
    let file = |id: Id| folder.join(format!("{}.md", id.as_str()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(folder).expect("a folder");
        for id in Id::ALL {
            fs::write(file(*id), page(*id)).expect("written");
        }
    }
    for id in Id::ALL {
        let written = fs::read_to_string(file(*id)).unwrap_or_default();
        assert!(
            written == page(*id),
            "{}: UPDATE_DOCS=1 cargo test -p skip-client-doctor --test pages writes the pages again",
            id.as_str()
        );
        assert!(id.page().ends_with(&format!("/docs/checks/{}.md", id.as_str())));
    }
    let pages = fs::read_dir(folder).expect("a folder").count();
    assert_eq!(pages, Id::ALL.len(), "a page of no check");
}
