"""Who the client is: the key, the session, and the flows that send a call as that caller, with refresh and retry."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ._calls import Call
from ._errors import BaasError, ConnectionFailed, NotSignedIn, SessionEnded, error_of, retry_after_seconds
from ._flow import Exclusive, Flow, Keep, Load, Pause, Send, answer_of
from ._json import decode, encode
from ._ports import Response

log = logging.getLogger("baaskit_client")

AuthEvent = Literal["restored", "signed_in", "refreshed", "updated", "signed_out"]

REFRESH_EARLY = 30.0  # seconds before its end at which a token is renewed
RETRIES = 3  # further attempts after the first
FIRST_PAUSE = 0.5  # seconds; doubled at each attempt, with jitter
LONGEST_PAUSE = 30.0  # seconds; a server that asks for more gets its error shown instead
_BUSY = frozenset({502, 503, 504, 520})
_STALE_CODES = frozenset({"bad_jwt", "InvalidJWT", "ExpiredToken"})


@dataclass(frozen=True)
class Session:
    """A signed-in user. `expires_at`: seconds since 1970, by this machine's clock."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    user: dict[str, Any]

    def text(self) -> str:
        """As the session store keeps it."""
        return json.dumps({**self.__dict__})


def session_of(body: dict[str, Any], now: float) -> Session:
    """The session in an answer of the auth service."""
    # By our own clock: a wrong server or client clock then costs nothing.
    lasts = float(body.get("expires_in") or 3600)
    return Session(str(body["access_token"]), str(body["refresh_token"]), now + lasts, body["user"])


def session_from_text(text: str | None) -> Session | None:
    """What a store kept; None when there is nothing or it cannot be read."""
    try:
        return Session(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


@dataclass
class Account:
    """The state that all operations of one client share. Its methods are flows: a driver carries them out.

    With `fixed_token` the caller is that user for good: nothing is refreshed, loaded or stored.
    """

    url: str
    key: str = field(repr=False)
    fixed_token: str | None = field(default=None, repr=False)
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    session: Session | None = None
    loaded: bool = False
    listeners: list[Callable[[AuthEvent, Session | None], None]] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The bearer token of the next request."""
        return self.fixed_token or (self.session.access_token if self.session else self.key)

    def send(self, call: Call) -> Flow[Response]:
        """Make a call as the current caller. Raises `Refused`, `ConnectionFailed`; renews an expired token once."""
        yield from self.freshen()
        used = self.token
        response = yield from self.attempts(call, used)
        if self.session and not self.fixed_token and _is_stale(response) and used != self.key:
            yield Exclusive(lambda: self._renew(used))
            if self.token != used:
                response = yield from self.attempts(call, self.token)
        if response.status >= 400:
            raise error_of(response, self.now())
        return response

    def freshen(self) -> Flow[None]:
        """Restore the stored session on first use and renew a token that is about to end."""
        if self.fixed_token:
            return
        if not self.loaded or self._ends_soon():
            try:
                yield Exclusive(lambda: self._renew(None))
            except SessionEnded:
                raise
            except BaasError:
                # The server may be back before the token really ends; if it has ended, there is nothing to send.
                if self.session and self.session.expires_at <= self.now():
                    raise

    def attempts(self, call: Call, token: str) -> Flow[Response]:
        """Make a call with this token, again after a pause where that is safe; any status is an answer."""
        tried = 0
        while True:
            headers = {"apikey": self.key, "authorization": f"Bearer {token}", "x-client-info": "baaskit-client-py", **call.headers}
            if tried:
                headers["x-retry-count"] = str(tried)
            failure: ConnectionFailed | None = None
            response = Response(0)
            try:
                response = answer_of((yield Send(call.method, self.url + call.path, headers, call.body, call.source, call.on_progress)))
            except ConnectionFailed as exc:
                failure = exc
            pause = self._pause(call, response, tried, failed=failure is not None)
            if pause is None:
                if failure:
                    raise failure
                return response
            tried += 1
            yield Pause(pause)

    def _pause(self, call: Call, response: Response, tried: int, *, failed: bool) -> float | None:
        """Seconds until the next attempt, None when there shall be none."""
        wanted = retry_after_seconds(response.headers.get("retry-after"), self.now())
        # 429 says that nothing was done, so even an insert may come again, when the server says when.
        # A statement that the server gave up would take as long again.
        busy = response.status in _BUSY and b'"57014"' not in response.body
        again = (call.repeatable and (failed or busy)) or (response.status == 429 and wanted is not None)
        if not again or tried >= RETRIES or (wanted or 0) > LONGEST_PAUSE:
            return None
        backoff = FIRST_PAUSE * 2**tried * (0.5 + self.chance() / 2)
        return backoff if wanted is None else wanted

    def adopt(self, session: Session | None, event: AuthEvent) -> Flow[None]:
        """Make this the session, keep it in the store and tell the listeners."""
        if self.fixed_token:
            raise ValueError("A client made by as_user(token) is that user for good: it cannot sign in or out")
        self.session, self.loaded = session, True
        yield Keep(session.text() if session else None)
        self._tell(event)

    def refresh(self) -> Flow[Session]:
        """Renew the token now. Raises `NotSignedIn` without a session, `SessionEnded` when it cannot be renewed."""
        yield from self.freshen()
        if self.session is None:
            raise NotSignedIn("There is no session to refresh", code="session_not_found", status=401)
        used = self.session.access_token
        yield Exclusive(lambda: self._renew(used))
        if self.session is None:
            raise NotSignedIn("The session ended meanwhile", code="session_not_found", status=401)
        return self.session

    def _renew(self, stale: str | None) -> Flow[None]:
        """The exclusive part: look again, then refresh. `stale`: a token that was refused; None: only if it ends soon."""
        if not self.loaded:
            self.session, self.loaded = session_from_text((yield Load())), True
            if self.session:
                self._tell("restored")
        session = self.session
        if session is None or (session.access_token != stale if stale else not self._ends_soon()):
            return
        # Another tab or process with the same store may have refreshed; its token is as good as one of our own.
        stored = session_from_text((yield Load()))
        if stored and stored.access_token not in (session.access_token, stale) and stored.expires_at - REFRESH_EARLY > self.now():
            self.session = stored
            self._tell("refreshed")
            return
        body = encode({"refresh_token": session.refresh_token})
        call = Call("POST", "/auth/v1/token?grant_type=refresh_token", {"content-type": "application/json"}, body, repeatable=True)
        response = yield from self.attempts(call, self.key)
        if self.session is not session:
            return  # signed out, or signed in as another, while the answer was on its way
        if response.status < 400:
            yield from self.adopt(session_of(decode(response), self.now()), "refreshed")
            return
        error = error_of(response, self.now())
        if response.status == 429 or response.status >= 500:
            raise error
        yield from self.adopt(None, "signed_out")
        raise SessionEnded(error.message, code=error.code, hint="Sign in again.", status=401, details=error.details)

    def _ends_soon(self) -> bool:
        return self.session is not None and self.session.expires_at - REFRESH_EARLY <= self.now()

    def _tell(self, event: AuthEvent) -> None:
        for listener in list(self.listeners):
            try:
                listener(event, self.session)
            except Exception:  # a listener's fault must not cost the session that was just obtained
                log.exception("A listener to auth changes failed on %r", event)


def _is_stale(response: Response) -> bool:
    """Does the answer say that the token is no longer good? Data says 401; auth and storage have codes and words of their own."""
    if response.status == 401:
        return True
    if response.status not in (400, 403):
        return False
    error = error_of(response, 0)
    return error.code in _STALE_CODES or '"exp" claim' in error.message
