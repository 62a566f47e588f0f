"""Imports a release's modules and prepares what they declare; every fault is collected with its place (runs in the zygote)."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from baaskit.functions.api import Declared, declared
from baaskit.functions.arguments import Arguments
from baaskit.functions.returned import Returned
from baaskit.functions.worker import Loaded


@dataclass(frozen=True)
class Broken:
    """Why a module or function cannot be used. `file` is relative to the folder; `line` 0 when there is none."""

    message: str
    file: str
    line: int
    excerpt: str = ""


def load(folder: Path) -> tuple[dict[str, Loaded], list[Broken]]:
    """Import every module of `folder` whose name has no leading underscore. Functions by key, and all faults."""
    sys.path.insert(0, str(folder))
    faults: list[Broken] = []
    found: list[Declared] = []
    for file in modules(folder):
        declared.clear()
        fault = _import(file, folder)
        if fault:
            faults.append(fault)
        found += declared
    declared.clear()
    loaded: dict[str, Loaded] = {}
    for one in found:
        try:
            prepared = _prepare(one, folder)
        except Exception as problem:
            at = _relative(one.spec.file, folder)
            faults.append(Broken(f"{one.call.__name__}(): {type(problem).__name__}: {problem}", at, one.spec.line))
            continue
        loaded.setdefault(prepared.spec.key, prepared)
    return loaded, faults + _doubles(found, folder)


def modules(folder: Path) -> list[Path]:
    """Files that are imported, in order of name: modules and packages at the top of the folder."""
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    return sorted(f for f in files if not _module_name(f).startswith(("_", ".")))


def _module_name(file: Path) -> str:
    return file.parent.name if file.name == "__init__.py" else file.stem


def _import(file: Path, folder: Path) -> Broken | None:
    name = _module_name(file)
    at = file.relative_to(folder).as_posix()
    if name in sys.stdlib_module_names or name in ("baaskit", "baaskit_client"):
        return Broken(f"the name {name!r} belongs to a module of Python or baaskit; rename the file", at, 0)
    if not name.isidentifier():
        return Broken(f"{name!r} is not a name that Python can import; use letters, digits and underscores", at, 0)
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if file.name == "__init__.py" else None
    )
    if name in sys.modules or spec is None or spec.loader is None:  # imported already by one that came before
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as problem:
        sys.modules.pop(name, None)
        return Broken(
            f"SyntaxError: {problem.msg}", _relative(problem.filename or str(file), folder), problem.lineno or 0, problem.text or ""
        )
    except BaseException as problem:  # SystemExit too: a module that exits must not take the zygote along
        sys.modules.pop(name, None)
        return _where(problem, folder, at)
    return None


def _where(problem: BaseException, folder: Path, at: str) -> Broken:
    """The last line of the author's own code on the way to the problem."""
    message = f"{type(problem).__name__}: {problem}".rstrip(": ")
    own = [f for f in traceback.extract_tb(problem.__traceback__) if Path(f.filename).is_relative_to(folder)]
    if not own:
        return Broken(message, at, 0)
    return Broken(message, _relative(own[-1].filename, folder), own[-1].lineno or 0, (own[-1].line or "").strip())


def _prepare(one: Declared, folder: Path) -> Loaded:
    arguments = Arguments(one.call) if one.spec.kind in ("http", "rpc") else None
    returned = Returned(one.call) if one.spec.kind == "rpc" else None
    spec = replace(one.spec, file=_relative(one.spec.file, folder), parameters=arguments.schema() if arguments else {})
    if returned:
        spec = replace(spec, returns=returned.returns, columns=returned.columns)
    return Loaded(spec, one.call, arguments, returned)


def _doubles(found: list[Declared], folder: Path) -> list[Broken]:
    counts = Counter(one.spec.key for one in found)
    last = {one.spec.key: one.spec for one in found}
    return [
        Broken(
            f"{spec.kind} function {spec.name!r} is declared twice", _relative(spec.file, folder), spec.line, _line(spec.file, spec.line)
        )
        for key, spec in last.items()
        if counts[key] > 1
    ]


def _line(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def _relative(file: str, folder: Path) -> str:
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file
