"""The SDK against a real server: the whole of what it promises, under policies, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

import pytest
from baaskit_client import (
    AsyncClient,
    BadRequest,
    Client,
    MemoryStore,
    NotFound,
    Refused,
    SessionEnded,
    eq,
    gte,
    in_,
    lt,
    not_,
    or_,
    rpc,
    table,
)
from baaskit_client._cpython import HttpTransport

pytestmark = [pytest.mark.anyio, pytest.mark.journey]
PETS = table("pets")
DRAFTS = table("drafts")

FILES = {
    "migrations/0001_shop.sql": """
        create table pets (
          id bigint generated always as identity primary key,
          name text not null,
          price integer not null check (price >= 0),
          status text not null default 'available',
          owner_id uuid default auth.uid()
        );
        create table drafts (id text primary key, words text, is_shared boolean not null default false, owner_id uuid default auth.uid());
        alter publication realtime add table pets;
        alter publication realtime add table drafts;
        insert into storage.buckets (id, name, public) values ('photos', 'photos', true);
    """,
    "policies.sql": """
        create policy "everyone sees pets" on pets for select to anon, authenticated using (true);
        create policy "owners add pets" on pets for insert to authenticated with check (owner_id = auth.uid());
        create policy "owners change pets" on pets for update to authenticated using (owner_id = auth.uid());
        create policy "owners remove pets" on pets for delete to authenticated using (owner_id = auth.uid());
        create policy "drafts are their owner's until shared" on drafts for select to authenticated
          using (owner_id = auth.uid() or is_shared);
        create policy "owners write drafts" on drafts for all to authenticated using (owner_id = auth.uid());
        create policy "users add photos" on storage.objects for insert to authenticated with check (bucket_id = 'photos');
        create policy "all see photos" on storage.objects for select to anon, authenticated using (bucket_id = 'photos');
        create policy "owners remove photos" on storage.objects for delete to authenticated using (owner_id = auth.uid()::text);
    """,
    "functions/shop.py": '''
"""Functions of the test's shop."""

from dataclasses import dataclass

from baaskit.functions import Context, http, rpc


@dataclass
class Offer:
    name: str
    price: int


@rpc(auth="anon")
async def offers(ctx: Context, most: int) -> list[Offer]:
    return [Offer(name, price) for name, price in (("bone", 2), ("ball", 3), ("bed", 30)) if price <= most]


@rpc(auth="anon")
async def key_of(ctx: Context) -> str:
    return str(ctx.idempotency_key)


@http("shout", methods=["POST"], auth="anon")
async def shout(ctx: Context, words: str) -> dict[str, str]:
    return {"loud": words.upper()}
''',
}


@dataclass
class Server:
    url: str
    anon_key: str

    def client(self, transport: HttpTransport | None = None, store: MemoryStore | None = None) -> AsyncClient:
        return AsyncClient(self.url, self.anon_key, transport, store or MemoryStore())

    @asynccontextmanager
    async def user(self):
        async with self.client() as client:
            await client.auth.sign_up(f"{uuid4().hex}@example.com", "correct horse battery")
            yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "shop"
    program = [sys.executable, "-c", "from baaskit.cli import main; main()"]
    subprocess.run([*program, "init", str(folder)], check=True, capture_output=True)
    for file in [*folder.glob("migrations/*"), *folder.glob("functions/*.py")]:
        file.unlink()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    with subprocess.Popen([*program, "serve", str(folder), "--port", "0", "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the server did not start"
        ready = json.loads(line)
        yield Server(ready["url"], ready["anon_key"])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


async def settled(live, query, client):
    """Wait until the live rows equal a fresh read by the same caller."""
    changes = live.changes()
    while live.rows != await client.run(query):
        async with asyncio.timeout(5):
            await anext(changes)


class Breakable(HttpTransport):
    """The real transport, whose last socket the test can cut."""

    async def socket(self, url):
        self.last = await super().socket(url)
        return self.last

    async def cut(self):
        self.last._connection.transport.abort()


async def test_reads_are_filtered_sorted_cut_and_counted(server):
    async with server.user() as ann:
        tag = uuid4().hex
        rows = [{"name": f"{tag} {i}", "price": i, "status": "available" if i % 2 else "sold"} for i in range(7)]
        await ann.run(PETS.insert(rows))
        mine = PETS.where(in_("name", [row["name"] for row in rows]))
        page = await ann.run(mine.where(gte("price", 2)).order("price", desc=True).select("price").limit(2).offset(1).count())
        assert (page.rows, page.total) == ([{"price": 5}, {"price": 4}], 5)
        odd = await ann.run(mine.where(or_(eq("status", "sold"), not_(gte("price", 3)))).order("price").select("price"))
        assert [row["price"] for row in odd] == [0, 1, 2, 4, 6]
        assert await ann.run(mine.where(eq("price", 99)).maybe_single()) is None
        with pytest.raises(NotFound):
            await ann.run(mine.where(eq("price", 99)).single())
        with pytest.raises(BadRequest):
            await ann.run(mine.single())


async def test_each_goes_through_all_pages_and_writes_with_a_key_are_done_once(server):
    async with server.user() as ann:
        tag = uuid4().hex
        rows = [{"name": f"{tag} {i}", "price": i % 3} for i in range(10)]
        insert = PETS.insert(rows).select("name").once(tag)
        assert await ann.run(insert) == await ann.run(insert) == [{"name": row["name"]} for row in rows]
        mine = PETS.where(in_("name", [row["name"] for row in rows])).select("price,id").order("price", desc=True)
        assert await ann.run(mine.order("id")) == [row async for row in ann.each(mine, page=4)]
        assert (await ann.run(mine.limit(10).after((await ann.run(mine.limit(10).after())).next))).next is None


async def test_what_is_special_in_the_grammar_comes_back_as_it_was(server):
    async with server.user() as ann:
        name = 'a,b(c)"d"\\e&f=g+h%i 猫 *'
        stored = await ann.run(PETS.insert({"name": name, "price": 1}))
        for condition in (eq("name", name), in_("name", [name, "x"]), or_(eq("name", name), eq("id", -1))):
            assert [stored] == await ann.run(PETS.where(condition, eq("id", stored["id"])))


async def test_a_policy_s_refusal_changes_nothing(server):
    async with server.user() as ann, server.user() as bob:
        pet = await ann.run(PETS.insert({"name": "Rex", "price": 1}))
        one = PETS.where(eq("id", pet["id"]))
        assert await bob.run(one.update({"price": 0})) == []
        assert await bob.run(one.delete()) == []
        with pytest.raises(NotFound):
            await bob.run(one.update({"price": 0}).single())
        with pytest.raises(Refused) as caught:
            await bob.run(PETS.insert({"name": "Fake", "price": 1, "owner_id": ann.auth.user["id"]}))
        assert (caught.value.code, caught.value.status) == ("42501", 403)
        async with server.client() as visitor:
            assert pet == await visitor.run(one.single())
            with pytest.raises(Refused):
                await visitor.run(PETS.insert({"name": "Fake", "price": 1}))


async def test_a_batch_happens_whole_or_not_at_all(server):
    async with server.user() as ann:
        pet = await ann.run(PETS.insert({"name": "Rex", "price": 5}))
        one = PETS.where(eq("id", pet["id"]))
        new, changed = await ann.batch([DRAFTS.insert({"id": (first := uuid4().hex)}), one.update({"price": 4}).expect(1)])
        assert (first, [4]) == (new["id"], [row["price"] for row in changed])
        with pytest.raises(Refused):
            await ann.batch([DRAFTS.insert({"id": (second := uuid4().hex)}), one.where(gte("price", 99)).update({"price": 3}).expect(1)])
        assert await ann.run(DRAFTS.where(eq("id", second))) == []
        assert (await ann.run(one.single()))["price"] == 4


async def test_requests_of_a_batch_use_what_earlier_ones_gave(server):
    async with server.user() as ann:
        pet, draft, found = await ann.batch(
            [
                PETS.insert({"name": "Rex", "price": 5}),
                DRAFTS.insert({"id": uuid4().hex, "words": {"$ref": "0.name"}}),
                PETS.where(eq("id", "{{0.id}}")),
            ]
        )
        assert ("Rex", [pet]) == (draft["words"], found)


@dataclass
class Offer:
    name: str
    price: int


async def test_functions_are_called_by_rpc_and_their_results_filtered(server):
    async with server.client() as client:
        assert ["bone", "ball"] == [offer["name"] for offer in await client.rpc("offers", most=9)]
        query = rpc("offers", Offer, most=99).where(lt("price", 30)).order("price", desc=True)
        assert [Offer("ball", 3), Offer("bone", 2)] == await client.run(query)
        assert Offer("ball", 3) == await client.run(query.limit(1).single())
        page = await client.run(query.limit(1).count())
        assert (1, 2) == (len(page), page.total)
        assert "k1" == await client.run(rpc("key_of").once("k1"))
        with pytest.raises(Refused) as caught:
            await client.run(query.single())
        assert "PGRST116" == caught.value.code
        with pytest.raises(NotFound):
            await client.rpc("offers", least=1)


async def test_a_session_survives_a_restart_of_the_client_and_ends_with_sign_out(server):
    store = MemoryStore()
    async with server.client(store=store) as client:
        await client.auth.sign_up(f"{uuid4().hex}@example.com", "correct horse battery", data={"name": "Ann"})
    async with server.client(store=store) as again:
        user = await again.auth.get_user()
        assert user["user_metadata"]["name"] == "Ann"
        before = again.auth.session
        after = await again.auth.refresh()
        assert before.refresh_token != after.refresh_token
        await again.auth.update_user(data={"name": "Anna"})
        assert again.auth.user["user_metadata"]["name"] == "Anna"
        kept = store.load()
        await again.auth.sign_out()
    store.save(kept)
    async with server.client(store=store) as late:
        await late.auth.restore()
        with pytest.raises(SessionEnded):
            await late.auth.refresh()


async def test_a_wrong_password_is_refused_by_name(server):
    async with server.client() as client:
        with pytest.raises(BadRequest) as caught:
            await client.auth.sign_in("nobody@example.com", "wrong")
        assert caught.value.code == "invalid_credentials"


async def test_files_go_up_with_progress_and_come_back(server):
    data, path, told = random.randbytes(300_000), f"{uuid4().hex}/ü b.bin".replace("ü", "u"), []
    async with server.user() as ann:
        photos = ann.storage("photos")
        await photos.upload(path, data, content_type="image/png", on_progress=lambda sent, total: told.append((sent, total)))
        assert (len(data), len(data)) == told[-1]
        assert data == await photos.download(path)
        folder, _, name = path.partition("/")
        assert [(name, len(data), "image/png")] == [(f.name, f.size, f.content_type) for f in await photos.list(folder)]
        with pytest.raises(Refused) as caught:
            await photos.upload(path, b"again")
        assert caught.value.status == 409
        for address in (photos.public_url(path), await photos.signed_url(path, 60)):
            response = await ann._driver.transport.request("GET", address, {})
            assert (200, data) == (response.status, response.body)
        assert [path] == list(await photos.remove([path, "missing"]))
        with pytest.raises(NotFound):
            await photos.download(path)


async def test_a_function_is_called_and_its_arguments_are_checked(server):
    async with server.client() as client:
        assert await client.call("shout", words="wuff") == {"loud": "WUFF"}
        with pytest.raises(Refused) as caught:
            await client.call("shout", words=[])
        assert caught.value.status == 422
        with pytest.raises(NotFound):
            await client.call("missing")


async def test_a_live_query_equals_a_fresh_read_after_any_mix_of_writes(server):
    chance = random.Random(7)
    async with server.user() as ann, server.client() as visitor:
        tag = uuid4().hex
        names = [f"{tag}-{i}" for i in range(6)]
        query = PETS.where(in_("name", names), gte("price", 3)).select("id,name,price").order("price", desc=True).order("id").limit(4)
        async with visitor.live(query) as live:
            assert live.rows == []
            for _ in range(25):
                name = chance.choice(names)
                one = PETS.where(eq("name", name))
                match chance.randrange(4):
                    case 0 | 1:
                        await ann.run(PETS.insert({"name": name, "price": chance.randrange(8)}))
                    case 2:
                        await ann.run(one.update({"price": chance.randrange(8)}))
                    case _:
                        await ann.run(one.delete())
            await settled(live, query, visitor)


async def test_a_live_query_resumes_after_a_cut_and_tells_each_change_once(server):
    async with server.user() as ann, server.client(Breakable()) as visitor:
        name, numbers = uuid4().hex, count(1)
        query = PETS.where(eq("name", name)).order("price")
        async with visitor.live(query) as live:
            for _ in range(3):
                await ann.run(PETS.insert({"name": name, "price": next(numbers)}))
                await visitor._driver.transport.cut()
                await ann.run(PETS.insert({"name": name, "price": next(numbers)}))
            found, changes = [], live.changes()
            async with asyncio.timeout(20):
                while len(found) < 6:
                    found.append(await anext(changes))
            assert [("enter", price) for price in range(1, 7)] == [(change.kind, change.row["price"]) for change in found]
            assert live.rows == await visitor.run(query)
        await visitor._driver.transport.close()


async def test_a_row_that_may_no_longer_be_seen_leaves(server):
    async with server.user() as ann, server.user() as bob:
        key = uuid4().hex
        async with bob.live(DRAFTS.where(eq("id", key))) as live:
            changes = live.changes()
            for words, is_shared in (("secret", False), ("hello", True), ("secret again", False)):
                await ann.run(DRAFTS.upsert({"id": key, "words": words, "is_shared": is_shared}))
            async with asyncio.timeout(5):
                entered, left = await anext(changes), await anext(changes)
        assert (entered.kind, entered.row["words"]) == ("enter", "hello")
        assert ("leave", {"id": key}, None, "hello") == (left.kind, left.key, left.row, left.old["words"])
        assert live.rows == []


async def test_signing_out_takes_private_rows_from_the_screen(server):
    async with server.user() as ann:
        await ann.run(PETS.insert({"name": (name := uuid4().hex), "price": 1}))
        await ann.run(DRAFTS.insert({"id": (key := uuid4().hex)}))
        async with ann.live(DRAFTS.where(eq("id", key))) as drafts, ann.live(PETS.where(eq("name", name))) as pets:
            assert (len(drafts.rows), len(pets.rows)) == (1, 1)
            changes = drafts.changes()
            await ann.auth.sign_out()
            async with asyncio.timeout(5):
                assert (await anext(changes)).kind == "leave"
            assert (drafts.rows, len(pets.rows)) == ([], 1)


async def test_a_live_query_of_an_unknown_table_is_refused(server):
    async with server.client() as client:
        with pytest.raises(Refused):
            async with asyncio.timeout(5), client.live(table("unknown")):
                pass


async def test_a_channel_carries_messages_between_clients(server):
    async with server.client() as ann, server.client() as bob:
        name = uuid4().hex
        async with ann.channel(name) as mine, bob.channel(name) as his:
            await mine.send("hello", {"n": 1})
            async with asyncio.timeout(5):
                message = await anext(his.messages())
        assert (message.event, message.payload) == ("hello", {"n": 1})


def test_the_sync_client_does_the_same(server):
    with Client(server.url, server.anon_key) as client:
        client.auth.sign_up(f"{uuid4().hex}@example.com", "correct horse battery")
        pet = client.run(PETS.insert({"name": "Rex", "price": 1}))
        assert [pet] == client.run(PETS.where(eq("id", pet["id"])))
        assert client.call("shout", words="wuff") == {"loud": "WUFF"}
        assert client.rpc("offers", most=2) == client.run(rpc("offers", most=2)) == [{"name": "bone", "price": 2}]
        client.auth.sign_out()
