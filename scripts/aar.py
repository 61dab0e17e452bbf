"""aar.py CLASSES NATIVE OUT: packs the Android library reproducibly.

CLASSES is the JAR for the JVM, of which the classes are used but not the native libraries. NATIVE has
ABI/libskip_client_ffi.so for each ABI built by scripts/android; the folders of other ABIs are empty.
"""

import io
import sys
import zipfile
from pathlib import Path

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
LIBRARY = "libskip_client_ffi.so"
DATE = (2026, 1, 1, 0, 0, 0)


def pack(entries: dict[str, bytes]) -> bytes:
    """A ZIP with a fixed date and no other trace of the machine; names that end with a slash are folders."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, DATE)
            info.create_system = 3
            info.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def main() -> None:
    """Packs the library, and reports ABIs without one."""
    classes, native, out = (Path(argument) for argument in sys.argv[1:])
    here = Path(__file__).resolve().parent.parent / "bindings/kotlin/android"
    with zipfile.ZipFile(classes) as jar:
        ours = ("io/github/skipclient/", "META-INF/skip-client")
        wanted = sorted(name for name in jar.namelist() if name.startswith(ours))
        inner = pack({name: jar.read(name) for name in wanted if not name.endswith("/")})
    entries = {
        "AndroidManifest.xml": (here / "AndroidManifest.xml").read_bytes(),
        "classes.jar": inner,
        "R.txt": b"",
        "proguard.txt": (here / "proguard.txt").read_bytes(),
    }
    for abi in ABIS:
        library = native / abi / LIBRARY
        entries[f"jni/{abi}/"] = b""
        if library.exists():
            entries[f"jni/{abi}/{LIBRARY}"] = library.read_bytes()
        else:
            print(f"note: {out.name} has no native library for {abi}; scripts/android builds them", file=sys.stderr)
    out.write_bytes(pack(entries))


if __name__ == "__main__":
    main()
