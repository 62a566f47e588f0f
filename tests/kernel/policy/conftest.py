"""A schema of pets, members and files, and one PostgreSQL server for the property tests of the policy language."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .postgres import Postgres
from .sides import Sides


@pytest.fixture(scope="session")
def oracle(postgres: Callable[[], str]) -> Iterator[Postgres]:
    """A database that answers what PostgreSQL itself makes of a text."""
    connection = Postgres(postgres())
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def sides(oracle: Postgres) -> Sides:
    return Sides(oracle)
