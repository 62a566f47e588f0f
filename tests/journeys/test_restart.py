"""What survives: an answered write survives kill -9; a purchase is never half; a stop is clean."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import httpx2
import pytest

from tests.journeys.conftest import Server

pytestmark = pytest.mark.journey


def sign_up(server: Server) -> dict[str, str]:
    """Headers of a new user."""
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse"}
    answer = httpx2.post(f"{server.url}/auth/v1/signup", json=body, headers={"apikey": server.anon_key})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}", "apikey": server.anon_key}


def test_every_answered_write_survives_kill_9(make_server: Callable[..., Server]) -> None:
    """Writers run while the server is killed; what was answered 201 before is there after."""
    server = make_server()
    user = sign_up(server)
    answered: list[str] = []
    lock = threading.Lock()

    def write_until_killed() -> None:
        with httpx2.Client(base_url=server.url, headers={**user, "prefer": "return=representation"}) as http:
            while True:
                try:
                    answer = http.post("/rest/v1/pets", json={"name": "Rex", "species": "dog", "price": 5})
                except httpx2.HTTPError:
                    return
                assert answer.status_code == 201, answer.text
                with lock:
                    answered.append(str(answer.json()[0]["id"]))

    writers = [threading.Thread(target=write_until_killed) for _ in range(4)]
    for writer in writers:
        writer.start()
    while len(answered) < 60:
        assert any(writer.is_alive() for writer in writers)
    server.kill()
    for writer in writers:
        writer.join()
    before = len(answered)

    server.start()
    found = httpx2.get(f"{server.url}/rest/v1/pets", params={"id": f"in.({','.join(answered)})", "select": "id"}, headers=user)
    assert before == len(found.json())
    assert server.stop() == 0


def test_a_purchase_is_whole_or_not_at_all_under_kill_9(make_server: Callable[..., Server]) -> None:
    """Stock fell exactly by what orders hold, wherever the kill struck; the same key then finds or makes the order once."""
    server = make_server()
    user, key = sign_up(server), uuid.uuid4().hex
    pet = 4

    def stock() -> int:
        return int(httpx2.get(f"{server.url}/rest/v1/pets?id=eq.{pet}&select=stock", headers=user).json()[0]["stock"])

    before = stock()
    buying = threading.Thread(target=lambda: _ignore_cut(lambda: _buy(server, user, pet, key)))
    buying.start()
    server.kill()
    buying.join()

    server.start()
    held = httpx2.get(f"{server.url}/rest/v1/orders?select=order_items(quantity)", headers=user).json()
    sold = sum(item["quantity"] for order in held for item in order["order_items"])
    assert before - sold == stock()
    first = _buy(server, user, pet, key).json()
    again = _buy(server, user, pet, key).json()
    assert first["id"] == again["id"]
    assert before - 1 == stock()


def _buy(server: Server, user: dict[str, str], pet: int, key: str) -> httpx2.Response:
    return httpx2.post(f"{server.url}/functions/v1/purchase", json={"lines": [{"pet_id": pet}], "key": key}, headers=user, timeout=30)


def _ignore_cut(call: Callable[[], object]) -> None:
    try:
        call()
    except httpx2.HTTPError:
        return


def test_stock_never_falls_below_zero_when_many_buy_at_once(shop: Server) -> None:
    """Twenty people want the last pieces of one pet: exactly as many succeed as there were."""
    seller = sign_up(shop)
    pet = httpx2.post(
        f"{shop.url}/rest/v1/pets",
        json={"name": "Last", "species": "cat", "price": 9.5, "stock": 3},
        headers={**seller, "prefer": "return=representation"},
    ).json()[0]["id"]
    buyers = [sign_up(shop) for _ in range(10)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda buyer=buyer: statuses.append(_buy(shop, buyer, pet, uuid.uuid4().hex).status_code))
        for buyer in buyers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    left = httpx2.get(f"{shop.url}/rest/v1/pets?id=eq.{pet}&select=stock", headers=seller).json()[0]["stock"]
    assert statuses.count(200) == 3 - left
    assert set(statuses) <= {200, 409, 429, 503}
    assert left >= 0
    assert 200 in statuses


def test_a_second_server_on_the_same_port_says_what_to_do(shop: Server, make_server: Callable[..., Server]) -> None:
    other = make_server(start=False)
    port = int(shop.url.rsplit(":", 1)[1])
    with pytest.raises(AssertionError, match=f"port {port} .* is taken"):
        other.start(port)
    assert other.process is not None
    assert other.process.wait(timeout=30) == 1
