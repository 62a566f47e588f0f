"""The official query builders in JavaScript and Python, unmodified: every method that they have, on both databases."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from postgrest._async import request_builder
from postgrest.exceptions import APIError
from postgrest.types import CountMethod
from supabase import AsyncClient, acreate_client

from tests.journeys.conftest import ROOT, Server

HERE = Path(__file__).parent
RANGES = "create table spans (id integer primary key, span int4range); insert into spans values (1, '[1,5)'), (2, '[5,9)');"

pytestmark = [pytest.mark.client, pytest.mark.anyio]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def library(
    request: pytest.FixtureRequest, make_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, str]:
    """A server over the project `builders/`, and its database's kind."""
    project = tmp_path_factory.mktemp("builders") / "builders"
    shutil.copytree(HERE / "builders", project)
    if request.param == "sqlite":
        return make_server(project), "sqlite"
    (project / "migrations" / "0002_ranges.sql").write_text(RANGES)
    return make_server(project, database_url=request.getfixturevalue("postgres")()), "postgresql"


def test_every_method_in_javascript(library: tuple[Server, str]) -> None:
    server, database = library
    ran = subprocess.run(
        [ROOT / "scripts" / "with-node.sh", "node", str(HERE / "builders.mjs"), server.url, server.anon_key, server.service_role_key, database],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.stderr[-3000:]}\nserver:\n{''.join(server.log[-20:])}"
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert [] == answer["unused"]
    assert answer["methods"] > 50


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """All public methods of the Python builders, and those that a test has called."""
    every: set[str] = set()
    seen: set[str] = set()

    def counted(name: str, method: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            seen.add(name)
            return method(*given, **named)

        return call

    for _, kind in inspect.getmembers(request_builder, inspect.isclass):
        if kind.__module__.startswith("postgrest") and kind.__name__.endswith("RequestBuilder") and "RPC" not in kind.__name__:
            for name, method in list(vars(kind).items()):
                if not name.startswith("_") and inspect.isfunction(method):
                    every.add(name)
                    monkeypatch.setattr(kind, name, counted(name, method))
    return every, seen


async def code(query: Awaitable[Any]) -> str | None:
    with pytest.raises(APIError) as refused:
        await query
    return refused.value.code


async def test_every_method_in_python(library: tuple[Server, str], called: tuple[set[str], set[str]]) -> None:
    server, database = library
    client = await acreate_client(server.url, server.service_role_key)

    def books(columns: str = "id") -> Any:
        return client.table("books").select(columns).order("id")

    async def ids(query: Any) -> list[int]:
        return [row["id"] for row in (await query.execute()).data]

    chosen: list[tuple[Any, list[int]]] = [
        (books().eq("id", 1), [1]), (books().neq("id", 1), [2, 3]), (books().gt("id", 1).lt("id", 3), [2]), (books().gte("id", 2).lte("id", 3), [2, 3]),
        (books().like("title", "C%"), [1]), (books().ilike("title", "c%"), [1]), (books().like_all_of("title", "%a%,%ts"), [1, 3]),
        (books().like_any_of("title", "C%,D%"), [1, 2]), (books().ilike_all_of("title", "%A%,%TS"), [1, 3]), (books().ilike_any_of("title", "c%,d%"), [1, 2]),
        (books().is_("blurb", "null"), [3]), (books().in_("title", ["Cats", "Rats"]), [1, 3]), (books().not_.is_("blurb", "null"), [1, 2]),
        (books().contains("tags", ["cat"]), [1]), (books().cs("tags", ["cat"]), [1]), (books().contains("facts", {"pages": 200}), [2]),
        (books().contained_by("tags", ["cat", "fat"]), [1, 3]), (books().cd("tags", ["cat", "fat"]), [1, 3]), (books().overlaps("tags", ["fat", "dog"]), [1, 2]),
        (books().ov("tags", ["fat"]), [1]), (books().fts("blurb", "cat"), [1]), (books().plfts("blurb", "fat cats"), [1]), (books().phfts("blurb", "fat cats"), [1]),
        (books().wfts("blurb", "cats or dogs"), [1, 2]), (books().match({"author_id": 1, "sold": False}), [1]), (books().or_("id.eq.1,sold.is.true"), [1, 2]),
        (books().filter("facts->>pages", "eq", "200"), [2]), (books().range(1, 2), [2, 3]), (books().limit(1), [1]), (books().limit(2).offset(1), [2, 3]),
        (books().retry(True).eq("id", 1), [1]),
    ]  # fmt: skip
    for number, (query, expected) in enumerate(chosen):
        assert (number, expected) == (number, await ids(query))
    found = await client.table("books").select("id").text_search("blurb", "'cat' & 'mat'", {"config": "english"}).execute()
    assert found.data == [{"id": 1}]
    for word, expected in (
        ("range_gt", [2]),
        ("sr", [2]),
        ("range_gte", [2]),
        ("nxl", [2]),
        ("range_lt", [1]),
        ("sl", [1]),
        ("range_lte", [1]),
        ("nxr", [1]),
    ):
        bound = (4, 9) if word in ("range_gte", "nxl", "range_lt", "sl") else (0, 5)
        if database == "postgresql":
            assert (word, expected) == (word, await ids(getattr(client.table("spans").select("id"), word)("span", bound)))
        else:
            assert await code(getattr(books(), word)("id", bound).execute()) in ("42883", "0A000")
    for word in ("range_adjacent", "adj"):
        if database == "postgresql":
            assert await ids(getattr(client.table("spans").select("id"), word)("span", (4, 9))) == [1]
        else:
            assert await code(getattr(books(), word)("id", (4, 9)).execute()) == "42883"

    assert (await books("id,blurb").eq("id", 3).strip_nulls().execute()).data == [{"id": 3}]
    assert (await books("id,title").csv().execute()).data == "id,title\n1,Cats\n2,Dogs\n3,Rats"
    assert (await books("title,authors(name)").eq("id", 3).single().execute()).data == {"title": "Rats", "authors": {"name": "Bob"}}
    assert await books().eq("id", 9).maybe_single().execute() is None
    assert await code(books().single().execute()) == "PGRST116"
    assert await code(books().explain().execute()) == "PGRST107"
    counted = await client.table("books").select("id", count=CountMethod.exact, head=True).execute()
    assert counted.count == 3
    await writes(client)
    every, seen = called
    assert every - seen == set()


async def writes(client: AsyncClient) -> None:
    books = client.table("books")
    four = {"id": 4, "author_id": 2, "title": "Mice"}
    assert (await books.insert(four).execute()).data[0]["tags"] == []
    assert await code(books.insert(four).execute()) == "23505"
    many = await books.insert(
        [{**four, "id": 5, "sold": True}, {**four, "id": 6}], default_to_null=False, count=CountMethod.exact
    ).execute()
    assert ([True, False], 2) == ([row["sold"] for row in many.data], many.count)
    merged = await books.upsert([{**four, "title": "Moles"}, {**four, "id": 7}]).execute()
    assert [row["title"] for row in merged.data] == ["Moles", "Mice"]
    ignored = await client.table("authors").upsert({"id": 9, "name": "Ann"}, on_conflict="name", ignore_duplicates=True).execute()
    assert ignored.data == []
    assert len((await books.update({"price": 1}).in_("id", [5, 6]).execute()).data) == 2
    assert await code(books.update({"price": 2}).in_("id", [5, 6]).max_affected(1).execute()) == "PGRST124"
    assert (await books.delete(count=CountMethod.exact).gte("id", 4).execute()).count == 4
