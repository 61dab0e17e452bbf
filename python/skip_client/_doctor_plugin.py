"""`pytest --key-provider-url URL`: a test for each check of `skip_client.doctor`, for the CI of Key Providers."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ._options import OPTIONS as CLIENT_OPTIONS

if TYPE_CHECKING:
    from ._core import Report

# option of pytest after --key-provider-: help; those of CLIENT_OPTIONS follow
OPTIONS = {
    "url": "Examine this Key Provider: a test for each check (it uses up keys)",
    "peer": "The Key Provider at the other end",
    "remote": "The remote to ask keys for",
    "profile": "draft, ios-xe, ios-xr or nx-os",
    "budget": "How many keys may be used up",
    "ca": "Certificates (PEM) of the CAs to trust, or system",
    "cert": "Client certificate (PEM), or PKCS#12 with its key",
    "key": "Private key of the client certificate (PEM)",
    "key-password-file": "A file with the password of the private key in its first line",
    "psk-file": "Pre-shared key instead of certificates: a file with a line identity:hex",
    "psk-identity": "Identity of the pre-shared key",
    "peer-ca": "As ca, for the peer",
    "peer-cert": "As cert, for the peer",
    "peer-key": "As key, for the peer",
    "peer-key-password-file": "As key-password-file, for the peer",
    "peer-psk-file": "As psk-file, for the peer",
    "peer-psk-identity": "As psk-identity, for the peer",
}


class DoctorWarning(UserWarning):
    """A recommendation is not met."""


class DoctorFailure(AssertionError):
    """A requirement is not met."""


def add_options(parser: pytest.Parser) -> None:
    """The options of the examination."""
    group = parser.getgroup("skip-client doctor")
    for name, text in OPTIONS.items():
        group.addoption(f"--key-provider-{name}", metavar=name.upper(), help=text)
    for option, (kind, text) in CLIENT_OPTIONS.items():
        name = option.replace("_", "-")
        if kind == "on":
            group.addoption(f"--key-provider-{name}", dest=_dest(option), action="store_true", default=None, help=text)
        elif kind == "off":
            text = f"Do not {text[0].lower()}{text[1:]}"
            group.addoption(
                f"--key-provider-no-{name}", dest=_dest(option), action="store_false", default=None, help=text
            )
        else:
            convert = float if kind == "seconds" else str
            group.addoption(f"--key-provider-{name}", dest=_dest(option), type=convert, metavar=name.upper(), help=text)


def items(session: pytest.Session) -> list[pytest.Item]:
    """The tests; none if no Key Provider is given."""
    if _option(session.config, "url") is None:
        return []
    from ._core import doctor_checks

    profile: Any = _option(session.config, "profile") or "draft"
    names = doctor_checks(profile, _option(session.config, "peer") is not None)
    examination = Examination(session.config)
    made = [Check.from_parent(session, name=f"key-provider[{name}]") for name in names]
    for item, name in zip(made, names, strict=True):
        item.check, item.examination = name, examination
    return list(made)


class Examination:
    """The examination, run when the first test needs its result."""

    def __init__(self, config: pytest.Config) -> None:
        """Nothing is asked yet."""
        self._config = config
        self._report: Report | None = None

    def report(self) -> "Report":
        """What was found."""
        if self._report is None:
            self._report = self._run()
        return self._report

    def _run(self) -> "Report":
        from ._core import Psk, doctor

        def given(name: str) -> str | None:
            return _option(self._config, name)

        more: dict[str, Any] = {name: given(name) for name in ("peer", "remote", "profile", "ca") if given(name)}
        if budget := given("budget"):
            more["budget"] = int(budget)
        for option in CLIENT_OPTIONS:
            if (value := self._config.getoption(_dest(option), default=None)) is not None:
                more[option] = value
        for end in ("", "peer-"):
            name = end.replace("-", "_")
            if end and (ca := given("peer-ca")):
                more["peer_ca"] = ca
            if cert := given(f"{end}cert"):
                key = given(f"{end}key")
                more[f"{name}cert"] = (cert, key) if key else cert
            if password_file := given(f"{end}key-password-file"):
                more[f"{name}key_password"] = Path(password_file)
            if psk_file := given(f"{end}psk-file"):
                more[f"{name}psk"] = Psk.from_file(Path(psk_file), given(f"{end}psk-identity"))
        url = given("url")
        assert url is not None
        return doctor(url, **more)


class Check(pytest.Item):
    """One check as a test."""

    check: str
    examination: Examination

    def runtest(self) -> None:
        """Fails, warns or is skipped, as the check was."""
        report = self.examination.report()
        try:
            check = report[self.check]
        except KeyError:
            pytest.skip("there is no connection")
        said = f" The Key Provider said: {check.provider_text}" if check.provider_text else ""
        text = (
            f"{check.title}: {check.message}{said} {check.remedy} (draft {check.section}, {check.level}) {check.page}"
        )
        if check.result == "fail":
            raise DoctorFailure(text)
        if check.result == "warn":
            warnings.warn(text, DoctorWarning, stacklevel=1)
        elif check.result == "skip":
            pytest.skip(check.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The findings instead of a traceback."""
        if isinstance(excinfo.value, DoctorFailure):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        """There is no line number."""
        return self.path, None, self.name


def _dest(option: str) -> str:
    return f"key_provider_{option}"


def _option(config: pytest.Config, name: str) -> str | None:
    value = config.getoption(f"--key-provider-{name}", default=None)
    return None if value is None else str(value)
