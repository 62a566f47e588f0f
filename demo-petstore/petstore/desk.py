"""What all parts of the shop share: the client, the open dialog, the place, messages, and the tasks under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from baaskit_client import AsyncClient

from .words import words

log = logging.getLogger("petstore")
Row = dict[str, Any]
Work = Coroutine[Any, Any, None]
PRIVATE = ("#/orders", "#/my-pets")  # places that need an account


class Desk:
    """One visitor's session in the shop. `picture()` gives the state to draw, `show(state)` draws it."""

    def __init__(self, client: AsyncClient, show: Callable[[Row], None]) -> None:
        self.client, self._show = client, show
        self.picture: Callable[[], Row] = dict
        self.route, self.moves = "#/", 0
        self.dialog: Row | None = None  # the open one: {"kind": "cart" | "account" | "sell" | "thanks", …}
        self.toasts: list[Row] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._drawn = True

    @property
    def uid(self) -> str:
        """Who is signed in; "" for nobody."""
        return str((self.client.auth.user or {}).get("id", ""))

    @property
    def pet_on_show(self) -> int | None:
        """The pet whose page is open."""
        number = self.route.removeprefix("#/pet/")
        return int(number) if number != self.route and number.isdecimal() else None

    def move(self, route: str) -> None:
        """Send the page somewhere; the count tells it that this is a new wish."""
        self.route, self.moves = route, self.moves + 1

    def toast(self, text: str, kind: str = "info") -> None:
        """A message that goes by itself: the page calls `forget` after some seconds."""
        number = 1 + max((toast["id"] for toast in self.toasts), default=0)
        self.toasts = [*self.toasts[-2:], {"id": number, "text": text, "kind": kind}]
        self.changed()

    def forget(self, toast_id: int) -> None:
        self.toasts = [toast for toast in self.toasts if toast["id"] != toast_id]

    def start(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run a task; the former one of this name ends. A fault of it becomes a message."""
        self.stop(name)
        task = self._tasks[name] = asyncio.get_running_loop().create_task(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # one that was stopped before it began
        return task

    def start_once(self, name: str, work: Work) -> None:
        """Run a task unless one of this name is under way: a second click does not buy twice."""
        if name in self._tasks and not self._tasks[name].done():
            work.close()
        else:
            self.start(name, work)

    async def settled(self, name: str) -> None:
        """Wait until the task of this name is done, also when it was replaced meanwhile."""
        while (task := self._tasks.get(name)) and not task.done():
            await asyncio.wait([task])

    def stop(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task and task is not asyncio.current_task():
            task.cancel()

    async def stop_all(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, work: Work) -> None:
        try:
            await work
        except Exception as exc:
            log.exception("A task of the shop failed")
            self.toast(words(exc), "error")
        finally:
            self.changed()

    def changed(self) -> None:
        """Draw soon; the changes of one moment are drawn once."""
        if self._drawn:
            self._drawn = False
            asyncio.get_running_loop().call_soon(self._draw)

    def _draw(self) -> None:
        self._drawn = True
        self._show(self.picture())
