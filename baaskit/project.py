"""A project is a folder: settings, migrations, policies, functions and seed data, as files that a person writes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from baaskit.errors import Fault, Faults

SETTINGS = "baaskit.toml"
SEED = "seed.sql"
POLICIES = "policies.sql"


@dataclass(frozen=True, slots=True)
class Script:
    """An SQL file of the project. `name` is what is recorded when it has been applied."""

    name: str
    path: Path
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text; line endings do not count."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Project:
    """The files of a project as they were when it was loaded."""

    dir: Path
    migrations: tuple[Script, ...]
    policies: Script | None
    seed: Script | None

    @property
    def functions_dir(self) -> Path:
        return self.dir / "functions"

    @property
    def policies_path(self) -> Path:
        return self.dir / POLICIES


def load_project(folder: Path) -> Project:
    """Read the folder. Raises Faults when it is not a project or a file cannot be read as text."""
    given, folder = folder, folder.resolve()
    if not (folder / SETTINGS).is_file():
        raise Faults([Fault(f"{folder} is not a project: there is no {SETTINGS}", line=0, hint=f"Make one:  baaskit init {given}")])
    faults: list[Fault] = []
    paths = sorted((folder / "migrations").glob("*.sql"), key=lambda path: path.name)
    migrations = tuple(script for path in paths if (script := _read(path, faults)) is not None)
    policies, seed = (_read(folder / name, faults) for name in (POLICIES, SEED))
    if faults:
        raise Faults(faults)
    return Project(folder, migrations, policies, seed)


def _read(path: Path, faults: list[Fault]) -> Script | None:
    if not path.is_file():
        return None
    try:
        return Script(path.name, path, path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        faults.append(Fault(f"{path.name} {reason}", file=str(path), line=0))
        return None


def init_project(folder: Path) -> list[Path]:
    """Write a small starter project. A file that exists is left as it is; returns the files written, in their order."""
    template = files("baaskit") / "starter"
    written = []
    for relative in _STARTER:
        target = folder / relative.replace("gitignore", ".gitignore")
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        text = template.joinpath(relative).read_text(encoding="utf-8")
        target.write_text(text.replace("{{name}}", folder.resolve().name), encoding="utf-8")
        written.append(target)
    return written


_STARTER = ("baaskit.toml", "migrations/0001_todos.sql", "policies.sql", "seed.sql", "functions/hello.py", "gitignore", "README.md")
