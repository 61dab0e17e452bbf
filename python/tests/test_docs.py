"""The documentation is correct: each fenced block is run, or checked in another way.

Blocks work in the folder of `skip-client serve`; the default addresses are replaced by those of a fresh pair. The
blocks of a page run in order, each in its own process: `python` and `sh` as printed, the commands of `console` as far
as possible on one machine without gateways. Blocks in other languages are run by the tests of those languages, and
blocks that only show a form (`text`) are compared with the real output.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import needs

from skip_client import Client, SkipError
from skip_client.testing import KeyProviderPair

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *(ROOT / name for name in ("python/README.md", "node/README.md", "examples/validator-page/README.md")),
    *sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/design/*.md")]),
]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = ("python", "sh", "console")
# languages whose blocks are run elsewhere: the test that names the page or reads all pages (*)
ELSEWHERE = {
    "js": "node/test/docs.test.js *",
    "rust": "examples/rust/src/lib.rs",
    "kotlin": "bindings/kotlin/src/test/kotlin/io/github/skipclient/DocsTest.kt",
    "c": "bindings/c/tests/test_documents.py",
    "go": "bindings/go/documents_test.go",
    "swift": "bindings/swift/Tests/SkipClientTests/DocsTests.swift",
    "toml": "crates/agent/src/tests/documents.rs",
    "bash": "tests/vm/test_pages.py",
}
# blocks without a language to run: what is compared with them
SHOWN = {
    "README.md": "no code: the picture of the exchange",
    "agent.md": "crates/agent/src/tests/documents.rs, but for the picture",
    "psk-with-ios-xe.md": "test_lines_for_routers_are_those_of_serve",
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page: language and text."""
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def runner(page: Path, language: str) -> str:
    """Who runs, or checks, the blocks of this language on this page; empty if nobody."""
    if language in HERE:
        return "python/tests/test_docs.py"
    if language == "text":
        return SHOWN.get(page.name, "")
    test, _, every = ELSEWHERE.get(language, "").partition(" ")
    return test if every or (test and page.name in (ROOT / test).read_text(encoding="utf-8")) else ""


def test_each_block_is_run_by_somebody(capsys: pytest.CaptureFixture[str]) -> None:
    """Lists all blocks; a block that no test knows is an error."""
    found = [(page, language, runner(page, language)) for page in PAGES for language, _ in blocks(page)]
    marks = sum(len(re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert marks == 2 * len(found), "a fence that is indented, made of ~~~, or not closed"
    with capsys.disabled():
        print(f"\nblocks of the documents: {len(found)}")
        for (language, by), count in sorted(Counter(one[1:] for one in found).items()):
            print(f"  {count:3} {language:8} {by}")
    nobody = [f"{page.relative_to(ROOT)}: ```{language}" for page, language, by in found if not by]
    assert not nobody, "no test runs these blocks"
    assert {language for _, language, _ in found} >= {*HERE, *ELSEWHERE}, (
        "a reader that finds nothing is always content"
    )


def test_what_is_pasted_into_virtual_machines_is_correct_shell() -> None:
    """They are run by hand and weekly; this also finds a block without its site, and a file without its end."""
    found = [text for page in PAGES for language, text in blocks(page) if language == "bash"]
    assert len(found) > 15
    for text in found:
        assert re.match(r"# (site A|site B|both sites)\n", text), text
        said = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
        assert said.returncode == 0 and not said.stderr, f"{text}\n{said.stderr}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if {language for language, _ in blocks(page)} & {*HERE}],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    """Each block of the page exits successfully."""
    folder = tmp_path / "kp"
    tools = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SKIP_")}
    environment["PATH"] = os.pathsep.join([tools, environment.get("PATH", os.defpath), "/usr/sbin"])
    with KeyProviderPair() as pair:
        shutil.copytree(Path(pair.ca).parent, folder)
        addresses = {"https://127.0.0.1:8443": pair.alice.url, "https://127.0.0.1:8444": pair.bob.url}
        addresses |= {"https://127.0.0.1:8445": pair.alice.psk_url, "https://127.0.0.1:8446": pair.bob.psk_url}
        addresses |= {"https://kp-alice:8443": pair.alice.url, "https://kp-bob:8443": pair.bob.url}
        for language, text in blocks(page):
            for printed, real in addresses.items():
                text = text.replace(printed, real.rstrip("/"))
            if language == "console":
                Console(folder, environment).run(text)
            elif language in HERE:
                command = [sys.executable, "-"] if language == "python" else ["sh", "-eu", "-s"]
                result = subprocess.run(
                    command, input=text, text=True, capture_output=True, cwd=folder, env=environment, timeout=120
                )
                assert result.returncode == 0, f"{page.name}:\n{text}\n{result.stdout}\n{result.stderr}"


class Console:
    """The commands of a `console` block, each checked by a method named after its program."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def run(self, text: str) -> None:
        """Runs the lines after a prompt; the other lines must be part of the output of the command above them."""
        checks: dict[str, Callable[[list[str], list[str]], None]] = {
            "make": self.make,
            "pip": self.pip,
            "skip-client": self.skip_client,
            "apt-get": self.apt_get,
            "cc": self.cc,
            "go": self.go,
            "umask": self.umask,
            "pytest": self.pytest,
            "swanctl": self.swanctl,
            "wg": self.wg,
            "wpa_supplicant": self.wpa_supplicant,
            "npm": self.npm,
            "npx": self.npx,
        }
        parts = re.split(r"^[$#] ", text, flags=re.MULTILINE)
        assert parts[0] == "" and len(parts) > 1, f"no prompt at the beginning: {text}"
        for part in parts[1:]:
            line, *printed = part.splitlines()
            for command in line.split(" && "):
                words = shlex.split(command, comments=True)
                if (ROOT / words[0]).is_file():
                    assert os.access(ROOT / words[0], os.X_OK), words[0]
                    continue
                assert words[0] in checks, f"no test runs {words[0]}: {command}"
                checks[words[0]](words, printed)

    def output(self, command: list[str], seconds: float = 120) -> tuple[int, str]:
        """Exit status, and the combined output of stdout and stderr."""
        result = subprocess.run(
            command,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=self.environment,
            timeout=seconds,
        )
        return result.returncode, result.stdout

    def make(self, words: list[str], _printed: list[str]) -> None:
        """The target exists; other tests run it."""
        # 2 means "no rule to make it", 1 that there is something to do
        assert subprocess.run([*words, "--question"], cwd=ROOT, capture_output=True).returncode < 2, words

    def pip(self, words: list[str], _printed: list[str]) -> None:
        """The installed package is the one under test."""
        assert words[:2] == ["pip", "install"], words
        project = tomllib.loads((ROOT / words[2] / "pyproject.toml").read_text(encoding="utf-8"))
        assert project["project"]["name"] == "skip-client"

    def apt_get(self, words: list[str], _printed: list[str]) -> None:
        """The packages are those of this project."""
        built = (ROOT / "scripts/release/pack.py").read_text(encoding="utf-8")
        ours = [word.startswith("./") and word.partition("_")[0][2:] in built for word in words[2:]]
        assert words[1] == "install" and ours and all(ours), words

    def cc(self, words: list[str], _printed: list[str]) -> None:
        """The tests of the C library compile its examples in the same way."""
        assert " ".join(words[-4:]) == "$(pkg-config --cflags --libs skip-client)", words

    def go(self, words: list[str], _printed: list[str]) -> None:
        """The module is that of bindings/go."""
        module = (ROOT / "bindings/go/go.mod").read_text(encoding="utf-8").split()[1]
        assert words == ["go", "get", module], words

    def umask(self, words: list[str], _printed: list[str]) -> None:
        """Applies to the later commands on the page; files with keys are checked where they are created."""
        assert words == ["umask", "077"], words

    def skip_client(self, words: list[str], printed: list[str]) -> None:
        """`agent` makes the files that the page lists; everything else is `doctor` or `serve`."""
        if words[1] == "doctor":
            return self.watch(words, printed)
        if words[1] != "agent":
            return self.serve(words, printed)
        assert words[2] == "handoff-certs", words
        status, text = self.output(words)
        text = re.sub(r"sha256/[^\"]{43}=", "sha256/…", text)
        assert status == 0 and text.splitlines() == printed, text
        made = self.folder / words[words.index("--out") + 1]
        modes = {path.stat().st_mode & 0o777 for path in made.glob("*.key")}
        assert modes == {0o600}, modes
        return None

    def watch(self, words: list[str], printed: list[str]) -> None:
        """Starts the command; its first lines match those on the page, except for times and numbers."""
        assert "--watch" in words, f"make it an sh block: {words}"
        first = [re.sub(r"\d+", "0", line) for line in printed if not line.split()[1].startswith("!")]
        with subprocess.Popen(
            words, text=True, stdout=subprocess.PIPE, cwd=self.folder, env=self.environment
        ) as process:
            try:
                assert process.stdout is not None
                shown = [re.sub(r"\d+", "0", process.stdout.readline().rstrip()) for _ in first]
            finally:
                process.terminate()
        assert shown == first

    def serve(self, words: list[str], printed: list[str]) -> None:
        """Starts the command, reads the lines printed on the page, and stops it."""
        assert words[1] == "serve", f"make it an sh block: {words}"
        free = [f"--{name}=127.0.0.1:0" for name in ("alice", "bob", "psk-alice", "psk-bob")]
        own = self.folder.parent / "console"
        own.mkdir()
        with subprocess.Popen(
            [*words, *free], text=True, stdout=subprocess.PIPE, cwd=own, env=self.environment
        ) as process:
            try:
                assert process.stdout is not None
                for line in printed:
                    assert any(seen.strip() == line for seen in process.stdout), f"{words} ended without: {line}"
            finally:
                process.terminate()

    def pytest(self, words: list[str], _printed: list[str]) -> None:
        """The package's plugin examines the pair; warnings are allowed."""
        patient = ["-p", "no:cacheprovider", "--key-provider-timeout=60"]
        status, text = self.output([sys.executable, "-m", *words, *patient])
        assert status == 0 and re.search(r"\d+ passed", text), text

    def swanctl(self, words: list[str], _printed: list[str]) -> None:
        """The options are valid: without a daemon the status is 2, for invalid options 1."""
        needs("swanctl")
        status, text = self.output([*words, "--uri", f"unix://{self.folder}/no-daemon"])
        assert status == 2 and "connecting to" in text, text

    def wg(self, words: list[str], _printed: list[str]) -> None:
        """Accepts the arguments and the key file; only its interface is missing."""
        needs("wg")
        public = "h2RkXJm1sO2p0PyhkzD2A5b0sUqVvDTrHmkKCnXfXxI="
        status, text = self.output([public if word == "PEER_PUBLIC_KEY" else word for word in words])
        assert status == 1 and re.search("Unable to (modify|access) interface", text), text

    def wpa_supplicant(self, words: list[str], _printed: list[str]) -> None:
        """Reads the configuration; only its interface is missing."""
        needs("wpa_supplicant")
        _, text = self.output(["no-such-if0" if re.fullmatch(r"eth\d", word) else word for word in words])
        # its complaints quote the lines that they are about
        assert "Line " not in text, "wpa_supplicant does not understand the configuration"
        assert "Failed to initialize driver interface" in text, "wpa_supplicant did not get as far as the interface"

    def npm(self, words: list[str], _printed: list[str]) -> None:
        """The installed package is the one built by `make npm`; node/test/package.test.js installs it."""
        assert words == ["npm", "install", "dist/skip-client-*.tgz"], words

    def npx(self, words: list[str], _printed: list[str]) -> None:
        """Covered by node/test/docs.test.js."""
        assert words[:2] == ["npx", "skip-validate"], words
        assert "npx skip-validate" in (ROOT / "node/test/docs.test.js").read_text(encoding="utf-8")


def test_lines_for_routers_are_those_of_serve(tmp_path: Path) -> None:
    """The router commands on the pages match the output of `serve`, except for address, port and key."""
    (block,) = [text for language, text in blocks(ROOT / "docs/psk-with-ios-xe.md") if language == "text"]
    command = [str(Path(sys.executable).parent / "skip-client"), "serve", "--dir", str(tmp_path / "kp")]
    command += [f"--{name}=127.0.0.1:0" for name in ("alice", "bob", "psk-alice", "psk-bob")]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.strip() == "ready":
                break
        process.terminate()
    shown = re.sub(r"ipv4 \S+ port \d+", "ipv4 ADDRESS port PORT", "".join(said))
    for line in block.splitlines():
        form = re.sub(r"ipv4 \S+ port \d+", "ipv4 ADDRESS port PORT", line.strip())
        form = re.sub(r"hex [0-9a-f]{64}$", "hex HEX", form)
        assert form in shown, f"serve does not say: {form}"


FAULT = re.compile(r"^\| `([a-z0-9-]+)` \|[^|]*\| `([a-z_]+)` \|$", re.MULTILINE)
FAULTS = FAULT.findall((ROOT / "docs/development-key-providers.md").read_text(encoding="utf-8").split("## Faults")[1])


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_faults_give_the_error_code_of_their_table(fault: str, code: str) -> None:
    """Every fault, with the request that it affects."""
    with KeyProviderPair(faults=[fault]) as pair:
        options = {"ca": pair.ca, "timeout": 3.0 if code == "timed_out" else 60.0}
        with Client(pair.alice.url, **options) as kp, pytest.raises(SkipError) as caught:
            if fault == "entropy-503":
                kp.entropy()
            elif fault == "wrong-key-id":
                with Client(pair.bob.url, **options) as peer:
                    key_id = peer.new_key(pair.alice.id).key_id
                kp.key_by_id(key_id, pair.bob.id)
            else:
                kp.new_key(pair.bob.id, size=256)
        assert caught.value.code == code
        assert caught.value.hint
