"""The data API `/rest/v1`: tables of a project by HTTP, in PostgREST's dialect, every row under policy."""

from __future__ import annotations

from baaskit.rest.api import Rest

__all__ = ["Rest"]
