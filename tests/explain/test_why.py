"""`baaskit explain` and `baaskit try`, as a person runs them: words, exit codes, the folder and a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baaskit import why
from baaskit.cli import main
from baaskit.errors import BaasError

POLICIES = """create policy "for sale" on pets for select using (not sold or owner_id = auth.uid());
create policy "mine, prices only rise" on pets for update to authenticated
  using (owner_id = auth.uid()) with check (owner_id = auth.uid() and price >= old.price);
create policy "not on the list" on pets as restrictive for select using (name <> 'banned');
"""
MIGRATION = """create table pets (id int primary key, owner_id uuid, name text not null, price numeric(10,2), sold boolean not null default false);
insert into pets values (1, '00000000-0000-4000-8000-000000000001', 'Rex', 12.5, false), (2, null, 'Tom', 7, true), (3, null, 'banned', 7, false);
"""
ANN = "00000000-0000-4000-8000-000000000001"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated project on SQLite; the commands change nothing in it."""
    folder = tmp_path_factory.mktemp("why") / "shop"
    (folder / "migrations").mkdir(parents=True)
    (folder / "baaskit.toml").write_text("")
    (folder / "migrations" / "0001_pets.sql").write_text(MIGRATION)
    (folder / "policies.sql").write_text(POLICIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["baaskit", "migrate", str(folder)])
        with pytest.raises(SystemExit, match="0"):
            main()
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path) -> Run:
    """`run("explain", "GET", "pets")` → exit code, standard output and error."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["baaskit", *words, "--dir", str(folder)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capfd.readouterr()

    return command


def test_a_hidden_row_is_explained_in_words(run: Run) -> None:
    code, said, _ = run("explain", "GET", "pets?id=eq.2", "--as", ANN)
    assert code == 3
    assert said.splitlines() == [
        f"GET pets?id=eq.2  as authenticated {ANN}",
        "",
        "DENIED: 0 of 1 rows are visible",
        "",
        "✗ row id=2",
        "    ✗ the row may be seen",
        "        ? policy 'for sale' (line 1)",
        "            ? (not sold) or (owner_id = auth.uid())",
        f'              where auth.uid() = "{ANN}", owner_id = null, sold = true',
        "        ✓ restrictive policy 'not on the list' (line 4)",
        "            ✓ name <> 'banned'",
        "        needed: ((not sold) or (owner_id = auth.uid()) — it is unknown, because of a null)",
    ]


def test_a_restrictive_policy_is_named_as_what_is_needed(run: Run) -> None:
    code, said, _ = run("explain", "GET", "/rest/v1/pets?id=eq.3")
    assert code == 3
    assert "        needed: (name <> 'banned')" in said.splitlines()
    assert said.count("needed:") == 1


def test_a_refused_update_names_the_clause_and_both_values(run: Run) -> None:
    code, said, _ = run("explain", "patch", "pets?id=eq.1", "--as", ANN, "--body", '{"price": 4}')
    assert code == 3
    assert "            ✗ price >= old.price\n              where old.price = 12.5, price = 4" in said
    assert "the client gets 403 42501" in said


@pytest.mark.parametrize(
    ("words", "code", "words_said"),
    [
        (["explain", "GET", "pets?id=eq.1"], 0, "✓ the row may be seen: policy 'for sale'"),
        (["explain", "GET", "pets"], 4, "PARTIAL: 1 of 3 rows are visible"),
        (["explain", "GET", "pets?order=nothing"], 5, "fails for anybody"),
        (["explain", "DELETE", "pets?id=eq.1", "--as", "authenticated"], 3, "for this command and role: there is none"),
        (["explain", "GET", "pets?id=eq.1", "--sql"], 0, "SELECT"),
        (["try", "GET", "pets"], 0, "The client would get 200 with 1 row"),
        (["try", "PATCH", "pets?id=eq.1", "--as", ANN, "--body", '{"price": 4}'], 3, "would get 403 42501"),
        (["try", "PATCH", "pets?id=eq.1", "--as", ANN, "--body", '{"price": 40}'], 0, "would update pets price: 12.5 → 40"),
        (["try", "PATCH", "pets?id=eq.1", "--as", ANN, "--body", '{"nothing": 40}'], 5, "would get 400 PGRST204"),
    ],
)
def test_exit_codes_and_words(run: Run, words: list[str], code: int, words_said: str) -> None:
    ended, said, _ = run(*words)
    assert (ended, words_said in said) == (code, True), said


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["explain"], 2, "METHOD and PATH are needed"),
        (["explain", "GET", "nothing"], 1, "Could not find the table"),
        (["explain", "POST", "rpc/f"], 1, "0A000"),
        (["try", "GET", "pets", "--as", "nobody@example.com"], 1, "No user has the address"),
        (["try", "GET", "pets", "-H", "broken"], 2, "is not a header"),
        (["try", "GET", "pets", "--url", "file:///etc/passwd"], 1, "is not the address of a server"),
        (["try", "GET", "pets", "--url", "http://127.0.0.1:1"], 1, "no answer from http://127.0.0.1:1"),
        (["explain", "--decision", "00"], 2, "needs the server's log"),
    ],
)
def test_a_question_that_has_no_answer_is_exit_code_1_or_2(run: Run, words: list[str], code: int, complaint: str) -> None:
    ended, said, complained = run(*words)
    assert (ended, said) == (code, "")
    assert complaint in " ".join(complained.split())


def test_json_is_the_report_itself(run: Run) -> None:
    _, said, _ = run("explain", "GET", "pets?id=eq.2", "--json")
    assert json.loads(said)["sample"][0]["key"] == {"id": 2}
    _, said, _ = run("try", "GET", "pets", "--json")
    assert json.loads(said)["status"] == 200


def test_the_commands_change_nothing(run: Run) -> None:
    run("try", "PATCH", "pets?id=eq.1", "--as", "service_role", "--body", '{"price": 40}')
    run("explain", "DELETE", "pets?id=eq.1", "--as", "service_role")
    code, said, _ = run("try", "GET", "pets?select=price&id=eq.1", "--as", "service_role")
    assert (code, '{"price": 12.5' in said) == (0, True)


def test_a_body_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"price": 40}')
    assert run("try", "PATCH", "pets?id=eq.1", "--as", ANN, "--body", f"@{tmp_path / 'body.json'}")[0] == 0


# ---- a decision out of the log ----

TEXT = f"policy.denied id=0123456789abcdef table=pets command=update role=authenticated uid={ANN} code=42501"
LOGS = {
    "text": TEXT,
    "journal": f"Nov 21 12:00:00 host baaskit[7]: {TEXT}",
    "compose": f"app-1  | {TEXT}",
    "json": json.dumps(
        {"event": "policy.denied", "id": "0123456789abcdef", "table": "pets", "command": "update", "role": "authenticated", "uid": ANN, "code": "42501"},
        separators=(",", ":"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LOGS)
def test_a_decision_is_found_in_the_log(run: Run, tmp_path: Path, kind: str) -> None:
    (tmp_path / "log").write_text(f"rest.other id=1\n{LOGS[kind]}\n")
    code, said, _ = run("explain", "--decision", "0123456789abcdef", "--log", str(tmp_path / "log"))
    assert code == 3
    assert said.startswith(f"update on pets was refused to authenticated {ANN} (42501)")
    assert "with check ((owner_id = auth.uid()) and (price >= old.price))" in said
    assert f"baaskit explain PATCH 'pets' --as {ANN} --body" in said
    _, as_json, _ = run("explain", "--decision", "0123456789abcdef", "--log", str(tmp_path / "log"), "--json")
    assert json.loads(as_json)["refusal"]["decision"] == "0123456789abcdef"


def test_a_decision_that_the_log_does_not_have(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"{TEXT}\n")
    code, _, complained = run("explain", "--decision", "ffff", "--log", str(tmp_path / "log"))
    assert (code, "no decision 'ffff'" in complained) == (1, True)


@pytest.mark.parametrize(
    "line",
    [
        f"function.log message={TEXT}",
        f"x {TEXT}",
        "policy.denied id=0123456789abcdef table=pets",
    ],
)
def test_text_of_a_client_in_the_log_is_no_decision(line: str) -> None:
    with pytest.raises(BaasError, match="no decision"):
        why.find_refusal([line], "0123456789abcdef")


def test_a_table_named_like_a_line_of_the_log_does_not_change_who_was_refused() -> None:
    """The client chose the name; what follows it was written by the server."""
    forged = "pets command=select role=service_role uid=None code=1"
    line = f"policy.denied id=0123456789abcdef table={forged} command=insert role=anon uid=None code=42501"
    found = why.find_refusal([line], "0123456789abcdef")
    assert found == why.Refusal(forged, "insert", "anon", None, "42501")


def test_the_service_key_is_not_sent_on_to_another_address(run: Run) -> None:
    """A redirect is an answer, not an order: whoever answers under the address does not get the key sent elsewhere."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    seen: list[str] = []

    class Thief(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/stolen")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Thief)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        code, _, complained = run("explain", "GET", "pets", "--url", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert (code, seen) == (1, ["/rest/v1/pets"])
    assert "302" in complained
