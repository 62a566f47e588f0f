"""Documentation is complete, current and true: what the product has is on a page, links lead somewhere, examples run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

import baaskit.functions as functions_api
from baaskit.app import App
from baaskit.checking import check_project
from baaskit.functions import Context
from baaskit.functions.sandbox import LEVELS
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.query.preferences import _FIELDS as PREFERENCES
from baaskit.kernel.query.types import IS_WORDS, PLAIN_OPERATORS
from baaskit.project import init_project, load_project
from baaskit.settings import Settings, load_settings
from scripts import cli_page, errors_page, settings_page
from tests.journeys.conftest import ROOT, Server

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "sdk/README.md", ROOT / "console-ui/README.md"])
GENERATED: dict[str, Callable[[], str]] = {"settings": settings_page.page, "cli": cli_page.page, "errors": errors_page.page}
README_URL = "http://127.0.0.1:54321"


def reference(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced examples of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def missing(names: list[str], page: str) -> list[str]:
    return [name for name in names if f"`{name}`" not in page]


# ---- complete -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_what_its_script_writes(name: str) -> None:
    assert reference(name) == GENERATED[name](), "run: make docs"


def test_every_setting_is_documented_under_both_names() -> None:
    names = [name for name in Settings.model_fields if name != "project_dir"]

    assert missing([*names, *(f"BAAS_{name.upper()}" for name in names)], reference("settings")) == []


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_command_is_documented_with_its_options() -> None:
    page = reference("cli")
    lacking = [name for name, _ in cli_page.commands() if f"## baaskit {name}" not in page]
    options = [word for _, command in cli_page.commands() for p in command.params for word in p.opts if word.startswith("--")]

    assert lacking == []
    assert missing(options, page) == []


def test_every_error_code_is_documented() -> None:
    codes = [kind.code for kind in errors_page.kinds()]

    assert len(codes) > 60
    assert missing(codes, reference("errors")) == []


def test_a_code_has_one_status_on_the_surfaces_that_name_errors_by_code_alone() -> None:
    """Codes of the REST dialect are what clients branch on; auth's words may come with several statuses."""
    seen: dict[str, int] = {}
    for kind in errors_page.kinds():
        if kind.code.startswith(("PGRST", "BK")):
            assert seen.setdefault(kind.code, kind.status) == kind.status, kind


def test_every_hook_is_documented() -> None:
    assert missing([hook.name for hook in fields(Hooks)], reference("hooks")) == []


def test_every_operator_and_preference_of_the_data_api_is_documented() -> None:
    page = reference("rest")
    preferences = [value for _, values in PREFERENCES.values() for value in values]

    assert missing([*PLAIN_OPERATORS, *(f"is.{word}" for word in IS_WORDS)], page) == []
    assert [value for value in preferences if value not in page] == []


def test_what_authors_of_functions_import_is_documented() -> None:
    page = reference("functions")
    names = [name for name in vars(functions_api).get("__all__", ()) if name[0].islower()]
    context = [f.name for f in fields(Context) if f.repr and not f.name.startswith("_")]

    assert names
    assert [name for name in names if f"@{name}(" not in page] == []
    assert missing([name for name in [*context, "client", "admin"] if name not in ("function", "admin_declared")], page) == []


def test_every_level_of_the_sandbox_is_explained() -> None:
    assert missing(list(LEVELS), (DOCS / "topics/functions.md").read_text()) == []


@pytest.mark.parametrize("surface", ["auth", "storage", "realtime"])
def test_every_route_is_documented(surface: str, tmp_path: Path) -> None:
    page = re.sub(r"\{[^}]*\}", "{}", reference(surface))
    app = App(Settings(project_dir=tmp_path), functions=tmp_path)
    paths = [re.sub(r"\{[^}]*\}", "{}", path) for path in app._fastapi.openapi()["paths"] if path.startswith(f"/{surface}/v1")]

    assert paths
    assert [path for path in paths if path not in page] == []


# ---- true ---------------------------------------------------------------------------------------------------------------


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            if not found.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and anchor not in _anchors(found):
                broken.append(f"{page.relative_to(ROOT)}: no heading #{anchor}")

    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_docs_is_reachable_from_its_index() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.parent.name != "adr" and page.name != "README.md"]

    assert [page for page in pages if page not in index] == []


def test_python_examples_are_python() -> None:
    for page in PAGES:
        if page.name == "architecture.md":  # signatures in shorthand
            continue
        for code in blocks(page, "python"):
            compile(code, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_files_that_pages_name_exist() -> None:
    """`baaskit/…`, `tests/…`, `docs/…` in back-ticks."""
    roots = "|".join(("baaskit", "tests", "docs", "scripts", "sdk", "bench", "demo-petstore", "console-ui", "migrations"))
    named = [
        (page, name)
        for page in PAGES
        if page.parent.name != "adr"
        for name in re.findall(rf"`((?:{roots})/[\w./-]*)`", page.read_text())
        if "vendor" not in name and ".baaskit" not in name
    ]
    inside = ("migrations/0001_todos.sql", "bench/results/data.json", "migrations/")  # of a project that a page makes; written by a run

    assert [f"{page.name}: {name}" for page, name in named if name not in inside and not (ROOT / name).exists()] == []


async def sql_of_a_page_holds(project: Path, migration: list[str], policies: list[str]) -> None:
    for number, text in enumerate(migration, 2):
        (project / "migrations" / f"000{number}_page.sql").write_text(text)
    with (project / "policies.sql").open("a") as file:
        file.write("\n" + "\n".join(policies))

    faults = await check_project(load_project(project), load_settings(project, environ={}))

    assert [str(fault) for fault in faults] == []


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["tutorial/first-app", "howto/policy-for-teams", "howto/upload-photos"])
async def test_the_sql_of_a_page_fits_a_new_project(name: str, tmp_path: Path) -> None:
    init_project(tmp_path)
    for function in (tmp_path / "functions").glob("*.py"):
        function.unlink()
    parts = blocks(DOCS / f"{name}.md", "sql")

    await sql_of_a_page_holds(tmp_path, [p for p in parts if "create policy" not in p], [p for p in parts if "create policy" in p])


# ---- the README, against a server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """The pet store with the README's function in its folder."""
    made = make_server(start=False)
    [function] = [code for code in blocks(ROOT / "README.md", "python") if "@http" in code]
    (made.folder / "functions" / "cheapest.py").write_text(function)
    made.start()
    return made


def ran(command: list[str], code: str, server: Server) -> str:
    text = code.replace(README_URL, server.url)
    assert text != code
    done = subprocess.run([*command, text], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + "".join(server.log[-20:])
    return done.stdout


@pytest.mark.journey
def test_the_tour_by_curl_runs(server: Server) -> None:
    [code] = blocks(ROOT / "README.md", "bash")
    said = ran(["bash", "-euo", "pipefail", "-c"], code, server)

    assert '"name":"Milo"' in said  # what is for sale
    assert '"name":"Rex","species":"dog"' in said  # sold
    assert "[]" in said  # another's pet stays as it is
    assert '"status":"placed"' in said


@pytest.mark.journey
def test_the_tour_by_python_runs(server: Server) -> None:
    [code] = [code for code in blocks(ROOT / "README.md", "python") if "@http" not in code]
    said = ran([sys.executable, "-c"], code, server)

    assert said.splitlines() == ["['Rex']", "change 99.0", "placed 99.0"]


@pytest.mark.client
def test_the_tour_by_javascript_runs(server: Server) -> None:
    [code] = blocks(ROOT / "README.md", "javascript")
    before = "import ws from 'ws'\nglobalThis.WebSocket ??= ws\n"  # Node 20 has none of its own
    file = ROOT / "tests/clients/.readme.mjs"  # beside the client's node_modules
    file.write_text(before + code.replace(README_URL, server.url))
    try:
        done = subprocess.run([ROOT / "scripts/with-node.sh", "node", str(file)], capture_output=True, text=True, timeout=60, check=False)
    finally:
        file.unlink()

    assert done.returncode == 0, done.stderr[-3000:]
    assert "new in the shop: Bella" in done.stdout


@pytest.mark.journey
def test_the_function_of_the_readme_runs(server: Server) -> None:
    said = ran(["curl", "-sf"], f"{README_URL}/functions/v1/cheapest?species=cat&limit=1", server)

    assert '"price":' in said


def test_the_policies_of_the_readme_are_those_of_the_pet_store() -> None:
    [shown] = blocks(ROOT / "README.md", "sql")
    real = " ".join((ROOT / "demo-petstore/policies.sql").read_text().split())

    assert [policy for policy in shown.split(";\n") if " ".join(policy.split()).rstrip(";") not in real] == []


def test_make_names_the_targets_that_pages_name() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    named = {word for page in PAGES for word in re.findall(r"`make ([a-z-]+)[` ]", page.read_text())}

    assert named - targets == set()
