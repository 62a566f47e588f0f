"""S7: nobody learns from an answer, or from how long it takes, whether an address is registered."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from tests.auth.rig import open_rig

pytestmark = pytest.mark.anyio

ROUNDS = 15


async def medians(*asks: Callable[[], Awaitable[httpx2.Response]]) -> list[float]:
    """Median seconds of each, asked in turns so that a busy machine slows all alike."""
    taken: list[list[float]] = [[] for _ in asks]
    for _ in range(ROUNDS):
        for ask, times in zip(asks, taken, strict=True):
            started = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in taken]


async def test_a_sign_in_answers_and_takes_the_same_for_known_and_unknown(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        await rig.sign_up("ada@example.com")
        await rig.admin("POST", "/users", {"email": "nopassword@example.com", "email_confirm": True})
        addresses = ("ada@example.com", "nobody@example.com", "nopassword@example.com")
        answers = [await rig.sign_in(address, "wrong one") for address in addresses]
        for answer in answers[1:]:
            assert (answer.status_code, answer.content, answer.headers) == (answers[0].status_code, answers[0].content, answers[0].headers)
        known, *others = await medians(*(lambda a=address: rig.sign_in(a, "wrong one") for address in addresses))  # type: ignore[misc]
        for other in others:
            assert 0.6 < known / other < 1.7


async def test_a_sign_up_answers_and_takes_the_same_for_known_and_unknown(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, mail_confirm=True) as rig:
        await rig.sign_up("ada@example.com")
        numbers = iter(range(1000))

        def ask(address: str) -> Awaitable[httpx2.Response]:
            return rig.ask("POST", "/signup", json={"email": address, "password": "correct horse"})

        new, taken = await ask("new@example.com"), await ask("ada@example.com")
        assert (new.status_code, set(new.json()), dict(new.headers).keys()) == (200, set(taken.json()), dict(taken.headers).keys())
        fresh, known = await medians(lambda: ask(f"user{next(numbers)}@example.com"), lambda: ask("ada@example.com"))
        assert 0.5 < fresh / known < 2.0
