"""A18: two sellers and a random program of requests: no byte of one's hidden canaries is in an answer to the other or to anyone."""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

import pytest

from tests.whole import Whole

pytestmark = pytest.mark.anyio
STEPS = 300


async def test_no_canary_of_a_seller_reaches_another(whole: Whole) -> None:
    canary = f"canary{uuid4().hex}"
    rng = random.Random(7)
    pet = {
        "name": f"{canary}-n"[:60],
        "species": "dog",
        "price": 7777.77,
        "status": "hidden",
        "description": canary,
        "breed": canary,
        "tags": [canary],
    }
    [hidden] = (await whole("POST", "/rest/v1/pets", pet, who="bob", headers={"prefer": "return=representation"})).json
    order = {"id": str(uuid4()), "buyer_id": whole.id("bob"), "idempotency_key": canary, "total": 9}
    assert (await whole("POST", "/rest/v1/orders", order, who="service")).status == 201
    item = {"order_id": order["id"], "pet_id": hidden["id"], "name": canary, "price": 9, "quantity": 1}
    assert (await whole("POST", "/rest/v1/order_items", item, who="service")).status == 201
    name = f"{whole.id('bob')}/{canary}.png"
    assert (
        await whole("POST", f"/storage/v1/object/photos/{name}", canary.encode(), who="bob", headers={"content-type": "image/png"})
    ).status == 200
    assert (await whole("PUT", "/auth/v1/user", {"data": {"note": canary}}, who="bob")).status == 200

    known = {"pets": ["id", "name", "price", "description", "status", "seller_id"], "orders": ["id", "total", "idempotency_key", "buyer_id"],
             "order_items": ["order_id", "pet_id", "name", "quantity"], "profiles": ["id", "shop_name"]}  # fmt: skip
    tables = [*known, *known, *known, "users", "auth.users", "storage.objects", "baaskit.changes"]
    values = [
        "eq.7777.77",
        f"eq.{hidden['id']}",
        "like.canary*",
        "neq.0",
        "gt.0",
        "is.null",
        "not.is.null",
        f"in.({hidden['id']})",
        f"eq.{whole.id('bob')}",
        "cs.{x}",
    ]
    selects = [
        "*",
        "*,order_items(*)",
        "*,orders(*)",
        "*,pets(*)",
        "*,orders!inner(*)",
        "id,count()",
        "count()",
        "name.max()",
        "description",
        "price.sum()",
        "*,order_items(*,pets(*))",
    ]
    bodies: list[Any] = [
        {"name": "x"},
        {"status": "available"},
        {"seller_id": whole.id("ann")},
        [{"id": hidden["id"], "name": "x", "species": "dog", "price": 1}],
        {**item, "name": "x"},
        {**order, "idempotency_key": "x" * 9},
    ]
    prefers = ["return=representation", "count=exact", "count=planned", "resolution=merge-duplicates,return=representation",
               "resolution=ignore-duplicates,return=representation", "return=headers-only"]  # fmt: skip
    answered = 0
    for _ in range(STEPS):
        table, who = rng.choice(tables), rng.choice(["ann", "ann", "anon"])
        columns = known.get(table, known["pets"])
        query = [f"select={rng.choice(selects)}"] if rng.random() < 0.5 else []
        query += [f"{rng.choice(columns)}={rng.choice(values)}" for _ in range(rng.randrange(3))]
        if rng.random() < 0.3:
            query.append(f"order={rng.choice(columns)}.{rng.choice(['asc', 'desc'])}")
        if rng.random() < 0.2:
            query.append(f"or=({rng.choice(columns)}.{rng.choice(values)},{rng.choice(columns)}.{rng.choice(values)})")
        if rng.random() < 0.1:
            query.append(f"on_conflict={rng.choice(columns)}")
        method = rng.choice(["GET", "GET", "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"])
        headers = {"prefer": rng.choice(prefers), "accept": rng.choice(["*/*", "*/*", "*/*", "application/vnd.pgrst.object+json"])}
        body = rng.choice(bodies) if method in ("POST", "PATCH", "PUT") else None
        answer = await whole(method, f"/rest/v1/{table}", body, who=who, headers=headers, query="&".join(query))
        shown = answer.body + repr(answer.headers).encode()
        told = b"" if "7777.77" in "".join(query) else b"7777.77"  # what the caller said itself may be said back
        assert canary.encode() not in shown and (not told or told not in shown), (who, method, table, query, body, answer.body)
        assert answer.status < 500, (who, method, table, query, body, answer.body)
        answered += answer.status < 300
    for who in ("ann", "anon"):
        for path, body in (
            ("list/photos", {"prefix": ""}),
            ("list/photos", {"prefix": whole.id("bob")}),
            ("list/photos", {"prefix": "", "search": ""}),
        ):
            assert canary.encode() not in (await whole("POST", f"/storage/v1/object/{path}", body, who=who)).body
        for path in ("/auth/v1/user", "/auth/v1/admin/users", f"/auth/v1/admin/users/{whole.id('bob')}"):
            assert canary.encode() not in (await whole("GET", path, who=who)).body
    assert answered > STEPS / 10  # the program asked sensible things, too
    [after] = (await whole("GET", f"/rest/v1/pets?id=eq.{hidden['id']}", who="bob")).json
    assert after == hidden
    assert (await whole("GET", f"/rest/v1/orders?id=eq.{order['id']}", who="bob")).json[0]["idempotency_key"] == canary
