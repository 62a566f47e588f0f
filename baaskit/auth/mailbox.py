"""The mailbox of development: what would have been sent, shown to this machine only.

Its links sign in, so the page answers only when mails are kept (`mail_mailbox`), the request comes from this machine, and
it names this machine: a foreign page whose name was pointed here (DNS rebinding) is not answered.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from baaskit.auth import letters, messages
from baaskit.auth.codes import Kind
from baaskit.auth.render import answer
from baaskit.auth.views import moment
from baaskit.errors import NotFound
from baaskit.kernel.kit import Kit

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# A letter is shown inside a frame that runs nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; frame-src 'self'; frame-ancestors 'self'; "
    "form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Mailbox</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:860px;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap;word-break:break-word;
background:#f4f5f7;padding:12px;border-radius:6px}summary{cursor:pointer}iframe{width:100%;height:420px;border:1px solid #ddd;border-radius:6px}
details{border-bottom:1px solid #ddd;padding:8px 0}.from{color:#65676b}</style>
<h1>Mailbox</h1>
<p>What would have been sent. Nothing leaves this machine while <code>smtp_host</code> is not set. As JSON: <code>curl -H 'Accept: application/json' {{ here }}</code></p>
<p class="from">Templates: {% for kind in kinds %}<a href="{{ here }}/preview/{{ kind }}">{{ kind }}</a> {% endfor %}</p>
{% for m in messages %}<details {% if loop.first %}open{% endif %}><summary><b>{{ m.subject or m.text }}</b> <span class="from">to {{ m.to }}, {{ m.at }}</span></summary>
{% if m.link %}<p><a href="{{ m.link }}" rel="noreferrer">{{ m.link }}</a></p>{% endif %}<p>Code: <code>{{ m.code }}</code></p>
<pre>{{ m.text }}</pre>{% if m.html %}<iframe sandbox title="{{ m.subject }}" src="{{ here }}/{{ m.id }}"></iframe>{% endif %}</details>
{% else %}<p>Nothing yet. Sign up, or ask for a magic link.</p>{% endfor %}</html>"""


def add_mailbox(kit: Kit, router: APIRouter) -> None:
    """The page and what it shows, on `router`; not part of the API's description."""

    @router.get("/mailbox", include_in_schema=False)
    async def mailbox(request: Request) -> Response:
        """The newest first; with `Accept: application/json` for tests."""
        _require_local(kit, request)
        found = await _messages(kit)
        if "application/json" in request.headers.get("accept", ""):
            return answer({"messages": found})
        from jinja2 import Environment

        page = Environment(autoescape=True).from_string(_PAGE)
        shown = page.render(messages=found, kinds=[kind.value for kind in Kind], here="/auth/v1/mailbox")
        return HTMLResponse(shown, headers=_HEADERS)

    @router.get("/mailbox/preview/{kind}", include_in_schema=False)
    async def preview(kind: str, request: Request) -> Response:
        """A template with sample values, or its fault."""
        _require_local(kit, request)
        if kind not in list(Kind):
            raise NotFound()
        from jinja2 import TemplateError

        try:
            letter = letters.preview(kit.settings, Kind(kind))
        except (TemplateError, ValueError) as problem:
            return Response(f"{kind}: {problem}\n", 422, _HEADERS, "text/plain")
        if not letter.html:
            return Response(letter.text, headers=_HEADERS, media_type="text/plain")
        return HTMLResponse(letter.html, headers=_HEADERS)

    @router.get("/mailbox/{message_id}", include_in_schema=False)
    async def one(message_id: str, request: Request) -> Response:
        """The HTML of one letter."""
        _require_local(kit, request)
        for found in await _messages(kit):
            if found["id"] == message_id:
                return HTMLResponse(found["html"], headers=_HEADERS)
        raise NotFound()


async def _messages(kit: Kit) -> list[dict[str, Any]]:
    o = kit.database.tables.outbox
    rows = await kit.database.query(select(o).where(o.c.sent_at.is_not(None)).order_by(o.c.sent_at.desc(), o.c.id).limit(50))
    shown = []
    for row in rows:
        parcel = await messages.write(kit, row)
        if parcel is not None:
            letter = parcel.letter
            link = next((line for line in letter.text.splitlines() if line.startswith(("http://", "https://"))), "")
            shown.append(
                {
                    "id": row["id"],
                    "kind": row["kind"],
                    "to": row["address"],
                    "at": moment(row["sent_at"]),
                    "subject": letter.subject,
                    "text": letter.text,
                    "html": letter.html,
                    "code": parcel.code,
                    "link": link,
                }
            )
    return shown


def _require_local(kit: Kit, request: Request) -> None:
    named = (request.url.hostname or "").lower()
    proxied = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    if not kit.settings.mail_mailbox or proxied or named not in _LOCAL_NAMES or not _is_this_machine(request):
        raise NotFound()


def _is_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
