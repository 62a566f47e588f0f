"""Mail from the request to a real SMTP server: what is sent, to whom, and that nothing is lost or sent to nobody."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from baaskit.auth import letters, messages
from baaskit.auth.codes import Kind
from baaskit.auth.outbox import RETRY_SECONDS, Courier
from baaskit.auth.users import utc_now
from baaskit.settings import load_settings
from tests.auth.rig import Rig, refusal

pytestmark = pytest.mark.anyio


class Server:
    """A mail server that keeps what it takes; `refusals` are answered first, one per mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals: list[str] = []
        self.tries = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.tries += 1
        if self.refusals:
            return self.refusals.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        assert envelope.rcpt_tos == [mail["To"]]
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def smtp() -> Iterator[tuple[Server, dict[str, Any]]]:
    server = Server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    settings = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "mail_from": "Shop <no-reply@shop.example>"}
    yield server, {**settings, "mail_interval_seconds": 0}
    controller.stop()


async def arrived(server: Server, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.mails) < count:
            await asyncio.sleep(0.01)


async def outbox(rig: Rig) -> list[dict[str, Any]]:
    return await rig.kit.database.query(select(rig.kit.database.tables.outbox))


def parts(mail: EmailMessage) -> tuple[str, str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


async def test_a_sign_up_is_confirmed_by_the_link_of_a_real_mail(make_rig: Any, smtp: Any) -> None:
    server, settings = smtp
    rig: Rig = await make_rig(mail_confirm=True, mail_brand="Shop & Co", **settings)
    user = await rig.sign_up("ada@example.com")
    assert user["confirmation_sent_at"]
    await arrived(server, 1)
    [mail] = server.mails
    assert (mail["From"], mail["To"]) == ("Shop <no-reply@shop.example>", "ada@example.com")
    assert mail["Subject"] == "Confirm your address for Shop & Co"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = parts(mail)
    assert "Shop &amp; Co" in html
    link = re.search(r"http\S+/auth/v1(/verify\S+)", text)
    assert link
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "email_not_confirmed")
    answer = await rig.http.get(f"/auth/v1{link[1]}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("http://localhost:3000#access_token=")
    assert (await rig.sign_in("ada@example.com")).status_code == 200
    assert await outbox(rig) == []


async def test_a_mail_that_the_server_defers_is_sent_again_and_says_the_same(make_rig: Any, smtp: Any) -> None:
    server, settings = smtp
    rig: Rig = await make_rig(**settings)
    await rig.sign_up("ada@example.com")
    server.refusals = ["451 later"]
    assert (await rig.ask("POST", "/recover", json={"email": "ada@example.com"})).json() == {}
    async with asyncio.timeout(10):
        while not (waiting := await outbox(rig)) or waiting[0]["error"] is None:
            await asyncio.sleep(0.01)
    assert waiting[0]["attempts"] == 1
    assert waiting[0]["due_at"] > utc_now()
    first = (await rig.kit.database.query(select(rig.kit.database.tables.one_time_tokens)))[0]["token_hash"]
    o = rig.kit.database.tables.outbox
    await rig.kit.database.execute(update(o).values(due_at=utc_now()))
    rig.auth.courier.wake()
    await arrived(server, 1)
    assert [row["token_hash"] for row in await rig.kit.database.query(select(rig.kit.database.tables.one_time_tokens))] == [first]
    code = re.search(r"code: (\d{6})", parts(server.mails[0])[0])
    assert code
    asked = {"type": "recovery", "email": "ada@example.com", "token": code[1]}
    assert (await rig.ask("POST", "/verify", json=asked)).status_code == 200


async def test_a_mail_that_the_server_refuses_for_good_is_given_up_at_once(make_rig: Any, smtp: Any) -> None:
    server, settings = smtp
    rig: Rig = await make_rig(**settings)
    await rig.sign_up("ada@example.com")
    server.refusals = ["554 no"] * 2
    await rig.ask("POST", "/recover", json={"email": "ada@example.com"})
    async with asyncio.timeout(10):
        while not (rows := await outbox(rig)) or rows[0]["error"] is None:
            await asyncio.sleep(0.01)
    assert (rows[0]["due_at"], server.tries) == (None, 1)


async def test_a_mail_that_never_leaves_is_given_up_after_the_last_try(make_rig: Any) -> None:
    rig: Rig = await make_rig()
    tries = 0

    async def write(row: Any) -> Any:
        nonlocal tries
        tries += 1
        raise ConnectionError("nobody there")

    courier = Courier(rig.kit, write, write, messages.is_text)
    o = rig.kit.database.tables.outbox
    await rig.kit.database.execute(o.insert().values(kind="wish_recovery", address="ada@example.com", due_at=utc_now()))
    for _ in range(len(RETRY_SECONDS) + 3):
        await courier.send_due(utc_now())
        await rig.kit.database.execute(update(o).where(o.c.due_at.is_not(None)).values(due_at=utc_now()))
    assert tries == len(RETRY_SECONDS) + 1


async def test_a_killed_process_loses_no_mail(make_rig: Any, smtp: Any) -> None:
    """A process that dies after its answer leaves a row; whoever starts next sends it, once."""
    server, settings = smtp
    rig: Rig = await make_rig(**settings)
    await rig.sign_up("ada@example.com")
    await rig.auth.courier.stop()  # what kill -9 does to it
    await rig.ask("POST", "/recover", json={"email": "ada@example.com"})
    o = rig.kit.database.tables.outbox
    claimed = await rig.auth.courier._claim(utc_now())
    assert len(claimed) == 1
    after: Rig = await make_rig(**settings)
    await asyncio.sleep(0.1)
    assert server.mails == [], "its lease has not run out"
    await rig.kit.database.execute(update(o).values(due_at=utc_now()))
    after.auth.courier.wake()
    await arrived(server, 1)
    assert await after.auth.courier.send_due(utc_now()) is False
    assert len(server.mails) == 1


async def test_two_couriers_send_each_mail_once(make_rig: Any, smtp: Any) -> None:
    server, settings = smtp
    rigs: list[Rig] = [await make_rig(**settings) for _ in range(2)]
    for rig in rigs:
        await rig.auth.courier.stop()
    for number in range(6):
        await rigs[0].sign_up(f"u{number}@example.com")
        await rigs[0].ask("POST", "/recover", json={"email": f"u{number}@example.com"})
    await asyncio.gather(*(rig.auth.courier.send_due(utc_now()) for rig in rigs for _ in range(3)))
    assert sorted(mail["To"] for mail in server.mails) == [f"u{number}@example.com" for number in range(6)]


async def test_nobody_is_written_to_who_has_no_account(make_rig: Any, smtp: Any) -> None:
    server, settings = smtp
    rig: Rig = await make_rig(mail_confirm=True, **settings)
    for path, body in (("/recover", {}), ("/otp", {"create_user": False}), ("/resend", {"type": "signup"})):
        answer = await rig.ask("POST", path, json={"email": "nobody@example.com", **body})
        assert (answer.status_code, answer.json()) == (200, {})
    async with asyncio.timeout(10):
        while await outbox(rig):
            await asyncio.sleep(0.01)
    assert server.tries == 0


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_words(tmp_path: Path, kind: Kind) -> None:
    letter = letters.preview(load_settings(tmp_path, {}, mail_brand="Shop"), kind)
    assert "Shop" in letter.text
    assert "123456" in letter.text
    assert bool(letter.html) == bool(letter.subject) == (kind not in letters.TEXT_MESSAGES)


def test_a_project_writes_its_own_and_a_faulty_one_gives_way_to_ours(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {}, mail_brand="Shop")
    written = letters.copy_templates(tmp_path)
    assert {path.name for path in written} >= {"layout.html", "recovery.txt", "recovery.html", "sms.txt"}
    assert letters.copy_templates(tmp_path) == []
    own = tmp_path / "mail"
    (own / "recovery.txt").write_text("Subject: Hello {{ data.name }}\n\n{{ confirmation_url }}\n")
    (own / "recovery.html").write_text("<p>{{ data.name }}</p>")
    values = {**letters.SAMPLE, "data": {"name": "<b>Ada</b>\nBcc: eve@example.com"}}
    letter = letters.write(settings, Kind.RECOVERY, values)
    assert letter.subject == "Hello <b>Ada</b> Bcc: eve@example.com" or "\n" not in letter.subject
    assert letter.html == "<p>&lt;b&gt;Ada&lt;/b&gt;\nBcc: eve@example.com</p>"
    (own / "recovery.html").write_text("{{ nobody }}")
    assert "Reset your password" in letters.write(settings, Kind.RECOVERY, values).subject
    (own / "recovery.html").write_text("{{ ''.__class__.__mro__ }}")
    assert "Reset your password" in letters.write(settings, Kind.RECOVERY, values).subject
