"""What mkdocs does not do itself: pages from other files of the repository, and links to files outside docs/.

README.md, SECURITY.md, CHANGELOG.md and CONTRIBUTING.md stay where people look for them, and are pages of the site
too. The references of languages are built by their own targets (`make docs-rust` and so on) and taken in when they
are there.
"""

import fnmatch
import os
import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
REPOSITORY = "https://github.com/skip-client/skip-client"

# page of the site: the file of the repository that it comes from, relative to which its links are resolved
ORIGINS = {
    "index.md": "README.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
SITE_NOTES = {
    "rust": "Pages of their own, with a search of their own, made by rustdoc:",
    "kotlin": "Pages of their own, made by Dokka; their navigation and search need a web server:",
}
ASSETS = {"site.css": "docs/site/site.css", "iframe-worker.js": "docs/site/node_modules/iframe-worker/shim/index.js"}
# references that are separate sites: title, start page
SITES = {
    "rust": (
        "Rust",
        {
            "skip-client": "skip_client",
            "skip-key-provider": "skip_key_provider",
            "skip-client-doctor": "skip_client_doctor",
        },
    ),
    "kotlin": ("Kotlin and Java", {"skip-client": ".", "all types": "skip-client/io.github.skipclient"}),
}
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Expands entries of the navigation that contain a *."""
    pages = sorted(path.name for path in Path(config.docs_dir).glob("*.md"))
    for entry in config.nav:
        for title, children in entry.items() if isinstance(entry, dict) else ():
            if isinstance(children, list):
                entry[title] = [
                    found for child in children for found in (fnmatch.filter(pages, child) if "*" in child else [child])
                ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that come from other files."""
    readme, security, contributing = read("README.md"), read("SECURITY.md"), read("CONTRIBUTING.md")
    promises = section(readme, "What we promise, and how it is tested")
    where = section(readme, "Where does my change go?")
    made = {
        "index.md": home(readme.replace(promises, "").replace(where, "")),
        "security.md": security + "\n" + promises,
        "changelog.md": read("CHANGELOG.md"),
        "contributing.md": contributing + "\n" + where,
        "reference/index.md": "# Reference\n\nGenerated from the code.\n\n"
        + "".join(f"* [{title}]({name}.md)\n" for name, title in REFERENCES.items()),
        "reference/command-line.md": command_line(),
        "reference/python.md": PYTHON,
        "reference/node.md": markdown_reference("node", "Node and browsers"),
        "reference/swift.md": markdown_reference("swift", "Swift"),
    }
    for name, (title, starts) in SITES.items():
        made[f"reference/{name}.md"] = site_reference(name, title, starts)
    for uri, text in made.items():
        if uri.startswith("reference/"):
            text = LESS + text
        files.append(File.generated(config, uri, content=text))
    for name, path in ASSETS.items():
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_kwargs: object) -> str:
    """Points links to files outside docs/ to their page here, or to the repository; the file must exist."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        return markdown
    if uri.startswith(("agent-", "checks/")):
        # many pages with the same words: in a search they would come before all others
        page.meta["search"] = {"boost": 0.1}
    origin = posixpath.dirname(ORIGINS.get(uri, f"docs/{uri}"))
    pages = {source: made for made, source in ORIGINS.items()}

    def lead(found: re.Match[str]) -> str:
        before, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(origin, target))
        if not (ROOT / path).exists():
            raise PluginError(f"{uri}: the link {target} leads to no file")
        if path in pages:
            return f"{before}{relative(pages[path], uri)}{anchor})"
        if path.startswith("docs/") and (ROOT / path).is_file():
            return f"{before}{relative(path.removeprefix('docs/'), uri)}{anchor})"
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{before}{REPOSITORY}/{kind}/HEAD/{path}{anchor})"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(lead, part) for part in parts)


def on_page_content(html: str, **_kwargs: object) -> str:
    """Makes wide tables scroll on their own, also by keyboard."""
    return html.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")


def on_post_build(config: MkDocsConfig) -> None:
    """Completes the search index, and copies the references that are separate sites."""
    mend_search(Path(config.site_dir))
    take_references(Path(config.site_dir))


def mend_search(site: Path) -> None:
    """
    Two states of lunr's word graph can have the same name, because edges are written as label and number with nothing
    between: `a1` `23` and `a12` `3`. Then they become one, and some searches, such as `P`, end with a TypeError.
    """
    (worker,) = site.glob("assets/javascripts/workers/search.*.min.js")
    mended, found = re.subn(r"e=e\+s\+o\.id(?=\}return e\})", 'e=e+s+o.id+","', worker.read_text(encoding="utf-8"))
    if found != 1:
        raise PluginError("the theme has another lunr now: is the search whole without mend_search?")
    worker.write_text(mended, encoding="utf-8")


def take_references(site: Path) -> None:
    """Copies generated references, without the scripts that they would load from other hosts."""
    for name in SITES:
        if not (DIST / f"docs-{name}").is_dir():
            continue
        copy = site / "reference" / name
        shutil.copytree(DIST / f"docs-{name}", copy, dirs_exist_ok=True)
        for page in copy.rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            page.write_text(re.sub(r'<script[^>]* src="https?://[^>]*></script>', "", text), encoding="utf-8")


REFERENCES = {
    "command-line": "Command line",
    "python": "Python",
    "rust": "Rust",
    "node": "Node and browsers",
    "kotlin": "Kotlin and Java",
    "swift": "Swift",
}

# in search results the guide comes first
LESS = "---\nsearch:\n  boost: 0.1\n---\n\n"

PYTHON = """# Python

The package `skip_client`. A guide is [here](../fetch-a-key-from-python.md), the errors are [explained
here](../errors.md).

::: skip_client
    options:
      inherited_members: true
      show_root_heading: false
      show_root_toc_entry: false

## Types of arguments

::: skip_client.types
    options:
      heading_level: 3
      show_root_heading: false
      show_root_toc_entry: false

## IKEv2 payloads

::: skip_client.ikev2
    options:
      heading_level: 3
      show_root_heading: false
      show_root_toc_entry: false

## For tests

::: skip_client.testing
    options:
      heading_level: 3
      show_root_heading: false
      show_root_toc_entry: false
"""


def read(name: str) -> str:
    """The content of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def relative(uri: str, page: str) -> str:
    """The relative path from a page of the site to another file."""
    return posixpath.relpath(uri, posixpath.dirname(page) or ".")


def section(text: str, title: str) -> str:
    """A second-level section, with its heading."""
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise PluginError(f"there is no section {title!r} any more: see docs/site/hooks.py")
    return found[0]


def home(readme: str) -> str:
    """README.md, with the SVG of the exchange, and the guide before the examples."""
    guide = section(readme, "Guide")
    readme, replaced = re.subn(
        r"^```text\n.*?^```$",
        "![The exchange in five steps](docs/exchange.svg)",
        readme.replace(guide, ""),
        count=1,
        flags=re.MULTILINE | re.DOTALL,
    )
    if not replaced:
        raise PluginError("README.md has no picture of the exchange any more: see docs/site/hooks.py")
    return readme.replace("## See it work\n", guide + "## See it work\n", 1)


def command_line() -> str:
    """The help texts, from the snapshots of the command's tests."""
    texts = {}
    for path in (ROOT / "crates/cli/tests/snapshots").glob("help__*.snap"):
        text = path.read_text(encoding="utf-8").split("---\n", 2)[2].strip("\n")
        texts[path.stem.removeprefix("help__").replace("_", "-")] = f"```text\n{text}\n```\n"
    every = texts.pop("all")
    commands = re.findall(r"^  ([a-z-]+) ", every.split("Commands:\n")[1], re.MULTILINE)
    commands.remove("help")
    titles = {command: command for command in commands}
    for command in list(commands):
        # subcommands follow their command
        _, found, own = texts.get(command, "").partition("Commands:\n")
        names = re.findall(r"^  ([a-z-]+) ", own.split("\n\n")[0], re.MULTILINE) if found else []
        at = commands.index(command) + 1
        own_titles = {f"{command}-{name}": f"{command} {name}" for name in names if name != "help"}
        commands[at:at] = own_titles
        titles |= own_titles
    if set(commands) != set(texts):
        raise PluginError(f"crates/cli/tests/help.rs records {sorted(texts)}, and the commands are {sorted(commands)}")
    head = "# Command line\n\nWhat `skip-client --help` and `skip-client COMMAND --help` print.\n\n"
    return head + every + "".join(f"\n## {titles[name]}\n\n{texts[name]}" for name in commands)


def not_built(name: str, title: str) -> str:
    """A placeholder for a reference that was not built."""
    if os.environ.get("SKIP_DOCS_COMPLETE"):
        raise PluginError(f"dist/docs-{name} is missing: make docs")
    how = "`make docs` builds all"
    return f"# {title}\n\nThis copy of the site was built without it. {how}.\n"


def markdown_reference(name: str, title: str) -> str:
    """A reference that is generated as a single page of Markdown."""
    path = DIST / f"docs-{name}/index.md"
    if not path.exists():
        return not_built(name, title)
    return re.sub(r"\A# .*\n", f"# {title}\n", path.read_text(encoding="utf-8"))


def site_reference(name: str, title: str, starts: dict[str, str]) -> str:
    """A page that links to a reference with several pages."""
    if not (DIST / f"docs-{name}").is_dir():
        return not_built(name, title)
    links = "".join(
        f'<li><a href="{posixpath.normpath(f"{name}/{start}/index.html")}">{label}</a></li>'
        for label, start in starts.items()
    )
    return f"# {title}\n\n{SITE_NOTES[name]}\n\n<ul>{links}</ul>\n"
