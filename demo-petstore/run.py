"""The pet store on SQLite, from a checkout: lay out what the page loads, start the server, say where everything is.

python demo-petstore/run.py [--host 127.0.0.1] [--port 54321]      (make demo calls it)
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parent
BAASKIT = Path(sys.executable).parent / "baaskit"


def lay_out(public: Path = HERE / "public") -> None:
    """Put Python for the browser, our SDK and the shop's own code where the page loads them: `public/vendor/<name>-<version>/`, and say so in
    `public/runtime.json`. Names carry the version, so the browser keeps them for ever."""
    runtime = ROOT / ".cache" / "pyodide"
    if not (runtime / ".ready").exists():
        sys.exit("The browser runtime is missing. Run:  make setup")
    # Compiled ahead of time where that could be done: the page starts about twice as fast.
    library = next(name for name in ("python_stdlib_compiled.zip", "python_stdlib.zip") if (runtime / name).exists())
    digest = hashlib.sha256((runtime / "pyodide.asm.wasm").read_bytes() + (runtime / library).read_bytes()).hexdigest()[:10]
    pyodide = public / "vendor" / f"pyodide-{digest}"
    if not (pyodide / library).exists():
        _remove_old(pyodide)
        shutil.copytree(runtime, pyodide, ignore=shutil.ignore_patterns(".ready", "*.new", "pyodide-lock.json*"))
    # _cpython.py is what a browser cannot import.
    client = [file for file in (ROOT / "sdk" / "src" / "baaskit_client").glob("*.py") if file.name != "_cpython.py"]
    python = _zipped(public / "vendor", "python", sorted([*client, *(HERE / "petstore").glob("*.py")]))
    # Nothing is installed from Pyodide's own packages, so the page gets what names the runtime and not their list.
    lock = {"info": json.loads((runtime / "pyodide-lock.json").read_text())["info"], "packages": {}}
    where = {
        "pyodide": f"/vendor/{pyodide.name}/",
        "library": f"/vendor/{pyodide.name}/{library}",
        "python": f"/vendor/{python.parent.name}/{python.name}",
        "lock": lock,
    }
    text = json.dumps(where) + "\n"
    target = public / "runtime.json"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def _zipped(vendor: Path, name: str, sources: list[Path]) -> Path:
    """Packages as one archive in a folder that is named for its content."""
    digest = hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in sources)).hexdigest()[:10]
    archive = vendor / f"{name}-{digest}" / f"{name}.zip"
    if not archive.exists():
        _remove_old(archive.parent)
        archive.parent.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sources:
                packed.write(file, f"{file.parent.name}/{file.name}")
    return archive


def _remove_old(new: Path) -> None:
    """Remove other versions of what `new` is a version of."""
    for folder in new.parent.glob(f"{new.name.rpartition('-')[0]}-*"):
        shutil.rmtree(folder)


def announce(ready: dict[str, str]) -> None:
    url = ready["url"]
    print(
        f"""
  The pet store is open.

    shop              {url}/
    console           {ready["console_url"]}
    API               {url}/rest/v1/   (also /auth/v1, /storage/v1, /functions/v1, /realtime/v1)

    anon key          {ready["anon_key"]}
    service_role key  {ready["service_role_key"]}
                      (opens everything: keep it on your machine)

    sellers           paws@petstore.test, feathers@petstore.test, scales@petstore.test
                      password petstore-demo; or sign up with any address

    try               curl '{url}/rest/v1/pets?select=name,species,price&order=price&limit=3' -H 'apikey: <anon key>'

  Ctrl-C stops it. The data stays in demo-petstore/.baaskit; `make clean` removes it.
""",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the pet store on SQLite.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "54321")))
    given = parser.parse_args()
    lay_out()
    command = [str(BAASKIT), "serve", str(HERE), "--host", given.host, "--port", str(given.port), "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  (our own program)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    assert server.stdout is not None
    for line in server.stdout:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if said.get("event") == "ready":
                announce(said)
                continue
        print(line, end="", flush=True)
    code = server.wait()
    if code:
        print(f"\nIf the port is taken: make demo PORT={given.port + 1}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
