"""Signing up, in and out, and the user's own account: `client.auth`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._account import Account, AuthEvent, Session, log, session_of
from ._calls import Call
from ._errors import BaasError, ConnectionFailed, UnreadableAnswer, error_of
from ._flow import D, Driven, Flow, operation
from ._json import decode, encode

User = dict[str, Any]


class Auth(Driven[D]):
    """The operations on the caller's account. `session` and `user` are None until signed in (or restored, see `restore`)."""

    def __init__(self, driver: D, account: Account) -> None:
        super().__init__(driver)
        self._account = account

    @property
    def session(self) -> Session | None:
        return self._account.session

    @property
    def user(self) -> User | None:
        """The user as last told by the server; `get_user` asks again."""
        return self._account.session.user if self._account.session else None

    def on_change(self, listener: Callable[[AuthEvent, Session | None], None]) -> Callable[[], None]:
        """Call `listener(event, session)` on each restored, signed_in, refreshed, updated, signed_out. Returns what ends that."""
        self._account.listeners.append(listener)
        return lambda: self._account.listeners.remove(listener) if listener in self._account.listeners else None

    @operation
    def restore(self) -> Flow[Session | None]:
        """Load the stored session, renewed if need be. Any other operation does this by itself; None when there is none."""
        yield from self._account.freshen()
        return self._account.session

    @operation
    def sign_up(self, email: str, password: str, *, data: dict[str, Any] | None = None) -> Flow[Session | None]:
        """Create an account and sign in. None when the address must be confirmed first. `data`: the user's own metadata."""
        body = {"email": email, "password": password, "data": data or {}}
        return (yield from _enter(self._account, _post("/auth/v1/signup", body)))

    @operation
    def sign_in(self, email: str, password: str) -> Flow[Session]:
        """Sign in with a password. A wrong one raises `BadRequest` with code `invalid_credentials`."""
        call = _post("/auth/v1/token?grant_type=password", {"email": email, "password": password})
        return _present((yield from _enter(self._account, call)))

    @operation
    def sign_in_anonymously(self, *, data: dict[str, Any] | None = None) -> Flow[Session]:
        """Make a user without address or password, where the project allows it."""
        return _present((yield from _enter(self._account, _post("/auth/v1/signup", {"data": data or {}}))))

    @operation
    def sign_out(self, *, everywhere: bool = False) -> Flow[None]:
        """Forget the session, here first, then on the server (all of the user's sessions with `everywhere`).

        Never fails because of the server: a session that cannot be ended there ends by itself.
        """
        try:
            yield from self._account.freshen()  # the server ends a session only for a token that is still good
        except BaasError as exc:
            log.info("Signing out without a fresh token: %s", exc)
        session = self._account.session
        yield from self._account.adopt(None, "signed_out")
        if session is None:
            return
        call = Call("POST", f"/auth/v1/logout?scope={'global' if everywhere else 'local'}")
        try:
            yield from self._account.attempts(call, session.access_token)
        except ConnectionFailed as exc:
            log.info("The server was not told of the sign-out: %s", exc)

    @operation
    def refresh(self) -> Flow[Session]:
        """Renew the token now; normally done without asking, before it ends and when the server refuses it."""
        return (yield from self._account.refresh())

    @operation
    def get_user(self) -> Flow[User]:
        """Ask the server who the caller is; also proves that the session is still good there."""
        user: User = decode((yield from self._account.send(Call("GET", "/auth/v1/user", repeatable=True))))
        yield from self._keep_user(user)
        return user

    @operation
    def update_user(self, *, email: str | None = None, password: str | None = None, data: dict[str, Any] | None = None) -> Flow[User]:
        """Change the address, the password or the user's metadata (`data` is merged into it)."""
        given = {"email": email, "password": password, "data": data}
        body = encode({name: value for name, value in given.items() if value is not None})
        call = Call("PUT", "/auth/v1/user", {"content-type": "application/json"}, body)
        user: User = decode((yield from self._account.send(call)))
        yield from self._keep_user(user)
        return user

    def _keep_user(self, user: User) -> Flow[None]:
        session = self._account.session
        if session and session.user != user and session.user.get("id") == user.get("id"):
            kept = Session(session.access_token, session.refresh_token, session.expires_at, user)
            yield from self._account.adopt(kept, "updated")


def _post(path: str, body: dict[str, Any]) -> Call:
    return Call("POST", path, {"content-type": "application/json"}, encode(body))


def _enter(account: Account, call: Call) -> Flow[Session | None]:
    """Make a call that answers with a session, and adopt it; None when the answer is a user without one."""
    response = yield from account.attempts(call, account.key)
    if response.status >= 400:
        raise error_of(response, account.now())
    body = decode(response)
    if "access_token" not in body:
        return None
    session = session_of(body, account.now())
    yield from account.adopt(session, "signed_in")
    return session


def _present(session: Session | None) -> Session:
    if session is None:
        raise UnreadableAnswer("The server accepted the sign-in and gave no session")
    return session
