"""Batches, functions, storage and the package's public face."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import baaskit_client
import pytest
from baaskit_client import AsyncClient, Conflict, MemoryStore, NotFound, NotSignedIn, Response, UnreadableAnswer, eq, table
from baaskit_client.testing import FakeTransport, answer

from .server import running

pytestmark = pytest.mark.anyio
PETS = table("pets")


async def test_a_batch_is_one_request_and_gives_each_result(make_rig):
    results = [{"status": 201, "body": [{"id": 7}]}, {"status": 200, "body": [{"id": 1, "stock": 4}]}, {"status": 204, "body": None}]
    rig = make_rig(lambda asked: answer(200, {"results": results}))
    found = await rig.client.batch(
        [
            table("orders").insert({"pet": 1}),
            PETS.where(eq("id", 1)).update({"stock": 4}).expect(1),
            table("carts").where(eq("pet", 1)).delete().minimal(),
        ]
    )
    assert found == [{"id": 7}, [{"id": 1, "stock": 4}], None]
    [asked] = rig.transport.asked
    assert (asked.method, asked.path) == ("POST", "/rest/v1/batch")
    assert asked.json == {
        "operations": [
            {"method": "POST", "path": "orders?select=*", "body": {"pet": 1}, "prefer": "return=representation"},
            {"method": "PATCH", "path": "pets?select=*&id=eq.1", "body": {"stock": 4}, "prefer": "return=representation", "expect": 1},
            {"method": "DELETE", "path": "carts?pet=eq.1", "prefer": "return=minimal"},
        ]
    }


async def test_single_in_a_batch_asks_for_one_row_as_it_does_alone(make_rig):
    rig = make_rig(lambda asked: answer(200, {"results": [{"status": 200, "body": {"id": 1}}]}))
    assert await rig.client.batch([PETS.where(eq("id", 1)).update({"stock": 4}).single()]) == [{"id": 1}]
    [operation] = rig.transport.asked[0].json["operations"]
    assert operation["headers"] == {"accept": "application/vnd.pgrst.object+json"}


async def test_a_count_in_a_batch_gives_its_total(make_rig):
    result = {"status": 206, "headers": {"Content-Range": "0-0/9"}, "body": [{"id": 1}]}
    rig = make_rig(lambda asked: answer(200, {"results": [result]}))
    [page] = await rig.client.batch([PETS.limit(1).count()])
    assert (page.total, page.rows) == (9, [{"id": 1}])


async def test_a_batch_that_fails_raises_the_error_and_is_not_repeated(make_rig):
    rig = make_rig(lambda asked: answer(409, {"code": "23505", "message": "there already"}))
    with pytest.raises(Conflict):
        await rig.client.batch([PETS.insert({"id": 1})])
    assert len(rig.transport.asked) == 1


async def test_a_batch_with_a_result_missing_is_not_taken_for_success(make_rig):
    rig = make_rig(lambda asked: answer(200, {"results": []}))
    with pytest.raises(UnreadableAnswer):
        await rig.client.batch([PETS.insert({"id": 1})])


def test_an_expected_number_of_rows_has_no_meaning_outside_a_batch():
    with pytest.raises(ValueError, match="batch"):
        PETS.where(eq("id", 1)).delete().expect(1).call()


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (answer(200, {"total": 3}), {"total": 3}),
        (answer(200, None), None),
        (Response(200, {"content-type": "text/plain; charset=utf-8"}, "größe".encode()), "größe"),
        (Response(200, {"content-type": "image/webp"}, b"\x00\x01"), b"\x00\x01"),
        (Response(204), None),
    ],
)
async def test_a_function_s_result_is_what_its_type_says(make_rig, response, result):
    rig = make_rig(lambda asked: response)
    assert result == await rig.client.call("report", year=2026)
    [asked] = rig.transport.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/functions/v1/report", {"year": 2026})


async def test_files_are_listed_removed_and_addressed(make_rig):
    def server(asked):
        if "/object/list/" in asked.path:
            meta = {"size": 12, "mimetype": "image/png", "eTag": '"x"'}
            return answer(200, [{"name": "a.png", "id": "1", "metadata": meta}, {"name": "sub", "id": None, "metadata": None}])
        if "/object/sign/" in asked.path:
            return answer(200, {"signedURL": "/object/sign/photos/a.png?token=t"})
        return answer(200, [{"name": "a.png"}])

    rig = make_rig(server)
    photos = rig.client.storage("photos")
    found = await photos.list("me")
    assert [(f.name, f.id, f.size, f.content_type) for f in found] == [("a.png", "1", 12, "image/png"), ("sub", None, 0, None)]
    assert rig.transport.asked[0].json["prefix"] == "me"
    assert await photos.remove(["a.png", "missing.png"]) == ["a.png"]
    assert await photos.signed_url("a.png", 60) == "http://test/storage/v1/object/sign/photos/a.png?token=t"
    assert photos.public_url("a b.png", download="x.png") == "http://test/storage/v1/object/public/photos/a%20b.png?download=x.png"


async def test_an_upload_says_what_it_is(make_rig):
    rig = make_rig(lambda asked: answer(200, {"Key": "photos/a.png"}))
    assert await rig.client.storage("photos").upload("a.png", b"abc", upsert=True) == "a.png"
    headers = rig.transport.asked[0].headers
    assert (headers["content-type"], headers["x-upsert"], headers["cache-control"]) == ("image/png", "true", "max-age=3600")


async def test_a_missing_file_is_not_found_although_storage_says_400(make_rig):
    rig = make_rig(lambda asked: answer(400, {"statusCode": "404", "error": "not_found", "message": "Object not found"}))
    with pytest.raises(NotFound):
        await rig.client.storage("photos").download("x")


async def test_an_expired_token_at_storage_is_renewed_too(make_rig):
    from .conftest import granted, session

    def server(asked):
        if "/auth" in asked.path:
            return granted(2)
        if asked.token == "token-2":
            return Response(200, {}, b"bytes")
        return answer(400, {"statusCode": "403", "error": "Unauthorized", "message": '"exp" claim timestamp check failed'})

    rig = make_rig(server, stored=session(1))
    assert await rig.client.storage("photos").download("x") == b"bytes"


async def test_a_socket_that_the_server_refuses_is_an_error_and_not_an_endless_wait():
    """The address is wrong: nothing there speaks the protocol."""
    with running() as url:
        async with AsyncClient(f"{url}/elsewhere", "the-key", store=MemoryStore()) as client:
            with pytest.raises((NotFound, NotSignedIn, baaskit_client.Forbidden)):
                async with asyncio.timeout(5), client.live(PETS):
                    pass


def test_all_that_is_public_is_listed_and_nothing_else():
    public = {name for name in vars(baaskit_client) if not name.startswith("_") and name != "testing"}
    assert public == set(baaskit_client.__all__)


def test_every_error_is_in_the_tree_at_the_top_of_its_file():
    drawn = set(re.findall(r"[├└]── (\w+)", baaskit_client._errors.__doc__)) | {"BaasError"}
    defined = {name for name, value in vars(baaskit_client).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert drawn == defined


def test_the_core_needs_nothing_but_the_standard_library():
    """In the browser and on phones there are no wheels for what is compiled."""
    code = "import sys, baaskit_client; print(sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    source = Path(baaskit_client.__file__).parents[1]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(source)!r}); {code}"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.strip().replace("'__mp_main__', ", "") == "['__main__', 'baaskit_client']", run.stderr


async def test_a_transport_that_was_passed_in_stays_open():
    class Counting(FakeTransport):
        closed = 0

        async def close(self):
            self.closed += 1

    transport = Counting()
    async with AsyncClient("http://test", "key", transport):
        pass
    assert transport.closed == 0


README = (Path(baaskit_client.__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("number", range(README.count("```python")))
async def test_an_example_of_the_readme_runs(number, capsys):
    block = re.findall(r"```python\n(.*?)```", README, re.S)[number]
    code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    with running() as url:
        run = FunctionType(code, {"url": url, "anon_key": "the-key", "__name__": __name__})
        if inspect.iscoroutinefunction(run):
            task = asyncio.ensure_future(run())
            # A live query has no end of its own: what it prints on entry is enough.
            await asyncio.wait({task}, timeout=0.5 if "changes()" in block else 10)
            task.cancel() if "changes()" in block and not task.done() else await task
        else:
            await asyncio.to_thread(run)
    if "print(" in block:
        assert capsys.readouterr().out
