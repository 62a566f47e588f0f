"""What authors import is light, and says at once what is wrong with a declaration."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from baaskit.functions import Refused, Request, after, before, http
from baaskit.functions.api import declared


@pytest.fixture(autouse=True)
def _clean() -> Any:
    yield
    declared.clear()


def test_importing_the_api_loads_nothing_of_the_server() -> None:
    heavy = ("sqlalchemy", "fastapi", "starlette", "pydantic")
    code = f"import sys, baaskit.functions; print([m for m in sys.modules if m.split('.')[0] in {heavy}])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_decorated_function_is_still_the_function() -> None:
    @http()
    def double_it(ctx: Any, n: int) -> int:
        return 2 * n

    assert double_it(None, 4) == 8
    [one] = declared
    assert (one.spec.key, one.spec.methods, one.spec.auth, one.spec.admin) == ("http:double-it", ("POST",), "key", False)


def test_one_function_may_serve_several_triggers() -> None:
    @after("insert", "orders")
    @before("update", "orders")
    @before("insert", "orders")
    def check(ctx: Any, row: Any) -> None: ...

    assert [one.spec.key.split(":")[:3] for one in declared] == [
        ["before", "insert", "orders"],
        ["before", "update", "orders"],
        ["after", "insert", "orders"],
    ]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: http(methods=["FETCH"]),
        lambda: http(methods=[]),
        lambda: http(auth="everyone"),  # type: ignore[arg-type]
        lambda: http("a/b")(lambda ctx: None),
        lambda: http(timeout=0)(lambda ctx: None),
        lambda: http(memory=-1)(lambda ctx: None),
        lambda: before("upsert", "orders"),  # type: ignore[arg-type]
        lambda: after("insert", "orders", attempts=0),
        lambda: Refused(200),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(declare: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        declare()
    assert declared == []


def test_only_functions_that_take_a_context_can_be_declared() -> None:
    with pytest.raises(TypeError):
        http("f")(lambda: None)
    with pytest.raises(TypeError):
        http("f")(int)  # type: ignore[type-var]
    assert declared == []


def test_a_body_that_is_not_json_refuses_by_itself() -> None:
    with pytest.raises(Refused) as caught:
        Request("POST", "", {}, {}, b"{").json()
    assert (caught.value.status, caught.value.code) == (400, "MALFORMED_BODY")
