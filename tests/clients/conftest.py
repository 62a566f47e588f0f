"""Official clients meet the same servers as the journeys do."""

from tests.journeys.conftest import make_server, shop

__all__ = ["make_server", "shop"]
