"""`baaskit attach` and `detach`: a project folder on top of a database that exists and belongs to others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from baaskit.errors import Fault, Faults, nearest
from baaskit.errors.attached import CannotAttach
from baaskit.kernel.database import Database, attached
from baaskit.kernel.database.survey import Survey, columns_of, survey
from baaskit.kernel.database.tables import for_dialect
from baaskit.kernel.policy.expr import quote
from baaskit.kernel.schema import TableName, Type
from baaskit.project import POLICIES, SETTINGS
from baaskit.settings import load_settings

_UID_TYPES = {"uuid": "uuid", "int": "int8", "text": "text"}


@dataclass(frozen=True, slots=True)
class Users:
    """The app's own table of users, as the command line names it."""

    table: str
    id: str = "id"
    sign_in: Mapping[str, str] = field(default_factory=dict)  # setting → column; empty: nobody signs in by its passwords


@dataclass(frozen=True, slots=True)
class Plan:
    """What attaching would do, or has done. `written`: files of the project, by their names in it."""

    folder: Path
    url: str
    found: Survey
    schemas: tuple[str, ...]
    uid_type: str
    users: Users | None
    settings_text: str | None  # None: the folder has its settings already

    def report(self, written: list[str], *, done: bool) -> dict[str, Any]:
        """For programs: everything that is printed for people."""
        found = self.found
        kinds = Counter(relation.kind for relation in found.relations)
        return {
            "project": str(self.folder), "database": found.database, "role": found.role, "attached": done or found.installed,
            "found": dict(sorted(kinds.items())), "schemas": list(self.schemas), "exposed": [],
            "tables": [
                {"name": str(r.name), "kind": r.kind, "columns": r.columns, "lacks": list(r.missing), "notes": list(r.notes)}
                for r in found.relations
            ],
            "not_exposable": list(found.hidden), "installs": [] if found.installed else installs(self.url), "capture": "off",
            "uid_type": self.uid_type, "users_table": self.users.table if self.users else None,
            "sign_in": bool(self.users and self.users.sign_in), "wrote": written,
            "problems": [{"message": message, "hint": hint} for message, hint in found.problems],
        }  # fmt: skip


def installs(url: str) -> list[str]:
    """In words, what is made in the database."""
    if url.startswith("sqlite:///"):
        count = len(for_dialect("sqlite").logical) + 1
        return [
            f"{count} tables whose names begin with auth. storage. realtime. baaskit.",
            "the journal mode WAL, as long as it is attached; no trigger, no change of a table that is there",
        ]
    count = len(for_dialect("postgresql").logical) + 1
    return [
        f"a schema baaskit with {count} tables and some functions of ours",
        "no trigger, no change of a table, role or right that is there",
    ]


def address(given: str) -> str:
    """`given` as a database_url: PostgreSQL's address as it is, a file (path or sqlite: address) by its absolute path."""
    scheme, found, rest = given.partition("://")
    if found and scheme in ("postgres", "postgresql"):
        return f"postgresql://{rest}"
    if found and scheme != "sqlite":
        raise CannotAttach(
            f"{scheme}:// is no database that can be attached.", hint="postgresql://user:password@host/name, or an SQLite file"
        )
    path = rest.removeprefix("/") if found else given
    return f"sqlite:///{Path(path).absolute()}"


async def prepare(url: str, folder: Path, schemas: tuple[str, ...], users: Users | None) -> Plan:
    """Look at the database and the folder; nothing is changed. Raises CannotAttach, Faults."""
    url, existing = address(url), folder / SETTINGS
    found = await survey(url)
    if existing.is_file():
        settings = load_settings(folder)
        if not settings.attached or settings.database_url != url:
            what = "is a project of its own" if not settings.attached else "is attached to another database"
            raise CannotAttach(f"{folder} {what}.", hint="Give another folder:  baaskit attach URL DIR")
        return Plan(folder, url, found, settings.exposed_schemas, settings.uid_type, None, None)
    chosen = schemas or (found.schemas if url.startswith("postgresql") else ("public",))
    unknown = [name for name in chosen if name not in found.schemas]
    if unknown and found.relations:
        raise CannotAttach(f"There is no schema {unknown[0]} with tables.", hint=f"There are: {', '.join(found.schemas)}")
    uid_type = await _uid_type(url, users) if users else "uuid"
    return Plan(folder, url, found, chosen, uid_type, users, _settings_text(url, chosen, uid_type, users))


async def _uid_type(url: str, users: Users) -> str:
    """The type of `auth.uid()` that the users' ids give. Raises CannotAttach when the table does not fit."""
    head, dot, tail = users.table.rpartition(".")
    columns = await columns_of(url, TableName(head, tail) if dot and url.startswith("postgresql") else TableName("public", users.table))
    if not columns:
        raise CannotAttach(f"There is no table {users.table}.", hint="Name it as table or schema.table, without quotes.")
    for own in (users.id, *users.sign_in.values()):
        if own not in columns:
            near = nearest(own, columns)
            hint = f"Perhaps you meant {near}." if near else f"It has: {', '.join(columns)}"
            raise CannotAttach(f"{users.table} has no column {own}.", hint=hint)
    kind, is_key = columns[users.id]
    if not is_key:
        raise CannotAttach(
            f"{users.table}.{users.id} is not a key: two users could have the same id.", hint="Give a unique column: --users-id"
        )
    family = Type.parse(kind).family
    if family not in _UID_TYPES:
        raise CannotAttach(f"{users.table}.{users.id} is {kind}; ids may be integers, text or uuid.")
    return _UID_TYPES[family]


def _settings_text(url: str, schemas: tuple[str, ...], uid_type: str, users: Users | None) -> str:
    lines = [
        "# Made by `baaskit attach`. The database belongs to others: nothing of theirs is altered.",
        f"database_url = {json.dumps(url)}",
        "attached = true",
        f"exposed_schemas = {json.dumps(schemas, ensure_ascii=False)}",
        "",
        "# Changes of tables become events only where this says so: triggers, polling or off.",
        'capture = "off"',
        '# capture_tables = { "orders" = "polling" }',
    ]
    if users is not None:
        lines += ["", f"# auth.uid() is {users.table}.{users.id}: the claim `sub` of a token, as text.", f'uid_type = "{uid_type}"']
        asked = {"users_table": users.table, "users_id": users.id, **users.sign_in} if users.sign_in else {}
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in asked.items()]
    return "\n".join(lines) + "\n"


async def carry_out(plan: Plan) -> list[str]:
    """Install ours and write the project's files; the names of the files written. Raises CannotAttach when there are problems."""
    if plan.found.problems:
        message, hint = plan.found.problems[0]
        raise CannotAttach(message, hint=hint)
    database = Database(plan.url, schemas=plan.schemas, attached=True, capture=lambda name: "off", uid=plan.uid_type)
    await attached.install(database, plan.found)
    return _write_files(plan)


def _write_files(plan: Plan) -> list[str]:
    plan.folder.mkdir(parents=True, exist_ok=True)
    ignored = ".baaskit/\n"
    written = []
    if plan.settings_text is not None:
        target = plan.folder / SETTINGS
        target.touch(mode=0o600)
        target.write_text(plan.settings_text, encoding="utf-8")
        written.append(SETTINGS)
        if urlsplit(plan.url).password:
            ignored += f"{SETTINGS}\n"  # it holds the password
    for name, text in ((POLICIES, skeleton(plan.found)), (".gitignore", ignored)):
        if not (plan.folder / name).exists():
            (plan.folder / name).write_text(text, encoding="utf-8")
            written.append(name)
    return written


def skeleton(found: Survey) -> str:
    """A `policies.sql` that opens nothing: every table in a comment, ready to be thought about."""
    lines = [
        "-- Nothing is open: a table answers nobody until a policy says who. Take the dashes away where you have decided.",
        "-- docs/reference/policies.md has the language; `baaskit check` looks for mistakes.",
    ]
    for relation in found.relations:
        name = ".".join(quote(part) for part in relation.name if part != "public")
        lines += ["", f"-- {relation.kind} {name}" + "".join(f"\n--   {note}" for note in relation.notes)]
        lines.append(f'-- create policy "…" on {name} for select to authenticated using (… = auth.uid());')
    return "\n".join(lines) + "\n"


async def leave(folder: Path) -> list[str]:
    """`baaskit detach`: lines that say what was removed from the database. The folder stays."""
    if not (folder / SETTINGS).is_file():
        raise Faults([Fault(f"{folder} is not a project: there is no {SETTINGS}", line=0)])
    settings = load_settings(folder)
    if not settings.attached:
        raise CannotAttach(
            f"{folder} is a project of its own: its database is not attached.", hint="Only what `baaskit attach` made is detached."
        )
    return await attached.detach(settings.database_url)
