"""Errors of the drivers → the `BaasError` of their SQLSTATE, in PostgreSQL's words on both databases."""

from __future__ import annotations

from baaskit.kernel.schema import Schema


def translate(problem: Exception, schema: Schema) -> Exception:
    """The client-visible error for a driver's exception; anything unknown becomes `Internal`."""
    import apsw

    if isinstance(problem, apsw.Error):
        from baaskit.kernel.database.values import translate_sqlite_error

        return translate_sqlite_error(problem, schema)
    from baaskit.kernel.database.values import translate_postgres_error

    return translate_postgres_error(problem)
