"""The README's snippets meet the same server as the journeys do."""

from tests.journeys.conftest import make_server

__all__ = ["make_server"]
