"""Put the Pyodide runtime (CPython for the browser) into a folder, so that pages load it from our own server, never from a CDN.

From npm's package where npm is present, else from the PyPI wheel `flet-web`, which carries the same files. Each file is
checked against its known SHA-256 and gets a gzip twin.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSION = "314.0.7"
FLET_WEB = "flet-web==1.0.5"
FILES = {
    "pyodide.mjs": "6f1d60f7bf529beb300f0f47983c921d3982363640ba20af0e38efdddbc66109",
    "pyodide.asm.mjs": "f7cdc8ece80678ceb712f8e65ebe6d3a83203a180c399865f49612a051693635",
    "pyodide.asm.wasm": "cc36e3cab04fdfc9a63ff13eb52eae2b911bf46c025cc7b281f394bd3de1d5e6",
    "python_stdlib.zip": "fa1957e5777068fc4f7437f96d860ae2fbe9c19732ba06c84e004ec16dd7dd7a",
    "pyodide-lock.json": "5dc2fc119108bc148c7457dc86e7675b5c87e1cafd420b9c34c1eaef7b36c010",
}


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if all(_sound(target / name, digest) for name, digest in FILES.items()):
        return
    print("fetching the browser runtime …", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        found = _from_npm(Path(scratch)) or _from_wheel(Path(scratch))
        for name, digest in FILES.items():
            if not _sound(found / name, digest):
                sys.exit(f"{name} of Pyodide {VERSION} is not the file that was tested (SHA-256 differs); not used")
            shutil.copyfile(found / name, target / name)
            if not name.endswith(".zip"):
                (target / f"{name}.gz").write_bytes(gzip.compress((target / name).read_bytes(), 9, mtime=0))


def _sound(file: Path, digest: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest


def _from_npm(scratch: Path) -> Path | None:
    if shutil.which("npm") is None:
        return None
    ran = subprocess.run(["npm", "pack", "--silent", f"pyodide@{VERSION}"], cwd=scratch, capture_output=True, text=True, check=False)
    packed = scratch / f"pyodide-{VERSION}.tgz"
    if ran.returncode != 0 or not packed.exists():
        return None
    with tarfile.open(packed) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "package"


def _from_wheel(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch), FLET_WEB]
    subprocess.run(command, check=True)
    wheel = next(scratch.glob("flet_web-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith("pyodide.asm.wasm"))
        folder = inside.rsplit("/", 1)[0]
        for name in FILES:
            (scratch / name).write_bytes(archive.read(f"{folder}/{name}"))
    return scratch


if __name__ == "__main__":
    main(Path(sys.argv[1]))
