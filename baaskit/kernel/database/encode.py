"""How SQLite shows a stored column as the JSON that PostgreSQL would give: one rule for REST and for the change log.

Built-in functions only: the same text runs inside capture triggers, where another program may be the writer.
"""

from __future__ import annotations

from baaskit.kernel.schema import Column


def json_sql(column: Column, reference: str) -> str:
    """SQL for the JSON value of `column`, read at `reference` (`"pets"."tags"`, `NEW."tags"`), fit for `json_object`.

    Never fails, whatever a foreign writer stored: a BLOB is shown as PostgreSQL's hex text, broken JSON as a string.
    """
    kind = column.type
    if kind.array or kind.family == "json":
        return f"json(CASE WHEN json_valid({reference}) THEN {reference} WHEN {reference} IS NOT NULL THEN json_quote({_no_blob(reference)}) END)"
    if kind.family == "bool":
        return f"json(CASE {reference} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    if kind.family == "numeric" and "," in kind.modifiers:
        scale = int(kind.modifiers.split(",")[1])
        return f"json(CASE WHEN typeof({reference}) IN ('integer','real') THEN printf('%.{scale}f', {reference}) END)"
    return _no_blob(reference)


def _no_blob(reference: str) -> str:
    # Nothing but a BLOB sorts behind the empty one; a comparison costs a third of what typeof() does.
    return f"CASE WHEN {reference} >= x'' THEN '\\x'||lower(hex({reference})) ELSE {reference} END"
