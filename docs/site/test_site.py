"""The built site: links, what it loads, names. `make test-docs` builds it before."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from skip_client import error_codes

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "dist/docs"
# sites of their own within, whose makers answer for their links
FOREIGN = {SITE / "reference/rust", SITE / "reference/kotlin"}
SOURCES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/checks/*.md"), *ROOT.glob("docs/design/*.md")]
PAGES = sorted(page for page in SITE.rglob("*.html") if not FOREIGN & {*page.parents} and page.name != "404.html")


class Reader(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: Counter[str] = Counter()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects."""
        given = dict(attrs)
        if identity := given.get("id"):
            self.anchors[identity] += 1
        if tag == "a" and (to := given.get("href")):
            self.links.append(to)
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loads.append(given["href"] or "")
        elif tag in ("script", "img", "iframe", "source") and (source := given.get("src")):
            self.loads.append(source)


READ = {page: Reader(page) for page in PAGES}


def test_there_is_a_site() -> None:
    assert len(PAGES) >= 30
    assert sum(len(read.links) for read in READ.values()) > 1000


def inside(page: Path, reference: str) -> tuple[Path, str]:
    """The file that a reference leads to, and the anchor there."""
    parts = urlsplit(reference)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return (target / "index.html" if target.is_dir() else target), unquote(parts.fragment)


def dead(page: Path) -> Iterator[str]:
    for link in READ[page].links:
        parts = urlsplit(link)
        if parts.scheme:
            # external ones are only looked at: whether they lead somewhere today is not for a test to say
            if parts.scheme != "https" or "." not in (parts.hostname or "") or " " in link:
                yield link
            continue
        target, anchor = inside(page, link)
        there = target.is_file() and target.is_relative_to(SITE)
        if not there or (anchor and target in READ and not READ[target].anchors[anchor]):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not sorted(set(dead(page)))
    assert not [anchor for anchor, count in READ[page].anchors.items() if count > 1], "anchors that are there twice"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    assert READ[page].loads
    for source in READ[page].loads:
        assert not urlsplit(source).scheme or source.startswith("data:image/"), source
        if not urlsplit(source).scheme:
            assert inside(page, source)[0].is_file(), source
    for style in re.findall(r"<style.*?</style>", page.read_text(encoding="utf-8"), re.DOTALL):
        assert "url(http" not in style and "@import" not in style


def test_references_of_others_load_nothing_from_elsewhere() -> None:
    """Their pages are many and alike: a look at the text is enough."""
    loads = re.compile(r'<(?:script|img|iframe)[^>]* src="https?:|<link[^>]* rel="stylesheet"[^>]* href="https?:')
    found = [page for folder in FOREIGN for page in folder.rglob("*.html") if loads.search(page.read_text("utf-8"))]
    assert not found


def test_each_error_code_has_its_anchor() -> None:
    """`skip-client explain CODE` ends with the address of docs/errors.md#CODE; the site has the same anchor."""
    anchors = READ[SITE / "errors.html"].anchors
    assert not [code for code in error_codes() if anchors[code] != 1]


def test_documents_of_the_repository_link_to_files() -> None:
    """The same pages on a forge: links between files, and anchors in them as forges make them."""
    broken = []
    for page in [*SOURCES, *ROOT.glob("*/README.md")]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for path, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text):
            target = page.parent / path if path else page
            if "://" in path:
                continue
            if not target.exists() or (anchor and anchor[1:] not in headings(target)):
                broken.append(f"{page.relative_to(ROOT)}: {path}{anchor}")
    assert not broken


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# name: how it is not to be written, outside of code
NAMES = {
    "keyId": r"\b(?:key ?ID|KeyID|keyID|key_ID|Key-ID|key id)s?\b",
    "Key Provider": r"\b(?:[Kk]ey-[Pp]rovider|KeyProvider|key providers?)\b",
    "localSystemID": r"\b(?:localSystemId|LocalSystemID|local system ID)\b",
    "remoteSystemID": r"\b(?:remoteSystemId|RemoteSystemID|remote system ID)\b",
    "strongSwan": r"\b(?:Strongswan|StrongSwan|strongswan|strongSWAN)\b",
    "WireGuard": r"\b(?:Wireguard|wireguard|Wire Guard)\b",
    "MACsec": r"\b(?:MACSec|MacSec|Macsec|macsec)\b",
    "IPsec": r"\b(?:IPSec|IPSEC|ipsec)\b",
    "IKEv2": r"\b(?:IKEV2|ikev2|IKE v2)\b",
    "IOS XE": r"\bIOS-?XE\b|\bIOS-XE\b",
    "IOS XR": r"\bIOS-?XR\b",
    "OpenSSL": r"\b(?:openSSL|OpenSsl|Openssl)\b",
    "rustls": r"\b(?:RusTLS|RustTLS)\b",
    "JavaScript": r"\b(?:Javascript|javascript)\b",
    "TypeScript": r"\bTypescript\b",
    "GitHub": r"\b(?:Github|github)\b(?!\.)",
    "PyPI": r"\b(?:PyPi|Pypi|pypi)\b",
    "GnuTLS": r"\b(?:GNUTLS|GnuTls|gnutls)\b",
    "nginx": r"\b(?:NGINX|Nginx)\b",
    "post-quantum": r"\b(?:post quantum|postquantum|Post-Quantum)\b",
}


@pytest.mark.parametrize("page", SOURCES, ids=lambda page: page.name)
def test_names_are_written_as_their_owners_do(page: Path) -> None:
    """In prose; code, links and file names have their own spelling."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", "", text, flags=re.DOTALL)
    wrong = [f"{found[0]}: {name}" for name, pattern in NAMES.items() for found in re.finditer(pattern, text)]
    assert not wrong
