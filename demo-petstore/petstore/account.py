"""Signing up, in and out, and coming back to what the visitor was about to do."""

from __future__ import annotations

from collections.abc import Callable

from baaskit_client import BaasError

from .desk import PRIVATE, Desk
from .words import words

REASONS = {
    "cart": "Sign in to buy. Your cart stays as it is.",
    "sell": "Sign in to sell a pet.",
    "#/orders": "Sign in to see your orders.",
    "#/my-pets": "Sign in to see your pets.",
}
EMPTY = "Please fill in your email and a password."
CONFIRM = "Almost there: please follow the link that we sent you, then sign in."


class Account:
    """`resume(wanted)` is called after signing in, with what the visitor had to sign in for."""

    def __init__(self, desk: Desk, resume: Callable[[str], None]) -> None:
        self._desk, self._resume = desk, resume
        self._wanted = ""

    def ask(self, mode: str = "in") -> None:
        """Open the form: mode "in" or "up"."""
        self._open("up" if mode == "up" else "in")

    def need(self, wanted: str) -> None:
        """Ask to sign in for something."""
        self._wanted = wanted
        self._open("in")

    def _open(self, mode: str) -> None:
        reason = REASONS.get(self._wanted, "")
        self._desk.dialog = {"kind": "account", "mode": mode, "busy": False, "error": "", "reason": reason}
        self._desk.changed()

    def given_up(self) -> None:
        """The form was closed."""
        self._wanted = ""
        if self._desk.route in PRIVATE and not self._desk.uid:
            self._desk.move("#/")

    async def sign_in(self, email: str, password: str) -> None:
        await self._enter("in", email.strip(), password)

    async def sign_up(self, email: str, password: str) -> None:
        await self._enter("up", email.strip(), password)

    async def _enter(self, mode: str, email: str, password: str) -> None:
        self._open(mode)
        form = self._desk.dialog
        assert form is not None  # just opened
        form["busy"] = True
        try:
            form["error"] = await self._send(mode, email, password)
        except BaasError as exc:
            form["error"] = words(exc)
        form["busy"] = False
        if form["error"]:
            return
        self._desk.toast("Welcome back!" if mode == "in" else "Welcome!")
        if self._desk.dialog is form:
            wanted, self._wanted, self._desk.dialog = self._wanted, "", None
            self._resume(wanted)

    async def _send(self, mode: str, email: str, password: str) -> str:
        """What the visitor must still do; "" when signed in."""
        if not email or not password:
            return EMPTY
        if mode == "in":
            await self._desk.client.auth.sign_in(email, password)
            return ""
        return "" if await self._desk.client.auth.sign_up(email, password) else CONFIRM

    async def sign_out(self) -> None:
        self._desk.dialog = None
        if self._desk.route in PRIVATE:
            self._desk.move("#/")
        await self._desk.client.auth.sign_out()
        self._desk.toast("You are signed out. Your cart stays here.")
