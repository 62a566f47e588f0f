"""The grammar of query strings and of Prefer: what is asked, as values; where a fault is, to the character."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baaskit.errors import BaasError
from baaskit.errors.rest import InvalidPreference, TooComplex, UnparsableQuery
from baaskit.kernel.query import (
    Embed,
    Field,
    Filter,
    Item,
    Logic,
    Order,
    Query,
    Selected,
    Star,
    Step,
    parse,
    parse_list,
    parse_preferences,
    split_template,
)  # fmt: skip


def read(raw: str) -> Query:
    return parse(parse_qsl(raw, keep_blank_values=True))


def column(name: str, alias: str = "", cast: str = "") -> Item:
    return Item(Field(name), alias, cast)


SELECTS: list[tuple[str, tuple[Selected, ...]]] = [
    ("", (Star(),)),
    ("*", (Star(),)),
    ("id, name", (column("id"), column("name"))),
    ("label:name::text", (column("name", "label", "text"),)),
    ("data->a->>b", (Item(Field("data", (Step("a", False), Step("b", True)))),)),
    ("x:data->0->-1", (Item(Field("data", (Step(0, False), Step(-1, False))), "x"),)),
    ("count()", (Item(None, "", "", "count"),)),
    ("n:count()::text", (Item(None, "n", "", "count", "text"),)),
    ("price::numeric.sum()::text", (Item(Field("price"), "", "numeric", "sum", "text"),)),
    ("pets(*)", (Embed("pets", (Star(),)),)),
    ("pets()", (Embed("pets", ()),)),
    ("mine:pets!fk!inner(id,...people(name))",
     (Embed("pets", (column("id"), Embed("people", (column("name"),), spread=True)), "mine", "fk", True),)),
    ("pets!left(id)", (Embed("pets", (column("id"),)),)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SELECTS)
def test_select(text: str, expected: tuple[Selected, ...]) -> None:
    assert expected == parse([("select", text)]).select


FILTERS: list[tuple[str, str, Filter, object]] = [
    ("id", "eq.5", Filter(Field("id"), "eq", 0), "5"),
    ("id", "not.eq.5", Filter(Field("id"), "eq", 0, True), "5"),
    ("name", "eq.a.b,c(d)", Filter(Field("name"), "eq", 0), "a.b,c(d)"),
    ("name", "eq.", Filter(Field("name"), "eq", 0), ""),
    ("name", 'eq."quoted"', Filter(Field("name"), "eq", 0), '"quoted"'),
    ("id", 'in.(1,"a,b","c\\"d",)', Filter(Field("id"), "in", 0), ("1", "a,b", 'c"d', "")),
    ("id", "in.()", Filter(Field("id"), "in", 0), ()),
    ("id", "is.NULL", Filter(Field("id"), "is", -1, False, "", "null"), None),
    ("name", "like(any).{a*,b}", Filter(Field("name"), "like", 0, False, "any"), ("a*", "b")),
    ("name", "fts(english).cat", Filter(Field("name"), "fts", 0, False, "", "english"), "cat"),
    ("data->a->>b", "eq.x", Filter(Field("data", (Step("a", False), Step("b", True))), "eq", 0), "x"),
    ("tags", "cs.{a,b}", Filter(Field("tags"), "cs", 0), "{a,b}"),
]


@pytest.mark.parametrize(("key", "text", "expected", "value"), FILTERS)
def test_filter(key: str, text: str, expected: Filter, value: object) -> None:
    query = parse([(key, text)])
    assert (expected,) == query.root.conditions
    assert value == (query.values[0] if query.values else None)


def test_logic_trees_keep_quoted_and_braced_values_whole() -> None:
    query = read('or=(a.eq."x,y)",and(b.cs.{1,2},c.is.null),not.or(d.in.(1,2),e.lt.3))')
    a, b, d, e = (
        Filter(Field("a"), "eq", 0), Filter(Field("b"), "cs", 1), Filter(Field("d"), "in", 2), Filter(Field("e"), "lt", 3),
    )  # fmt: skip
    c = Filter(Field("c"), "is", -1, False, "", "null")
    assert (Logic("or", (a, Logic("and", (b, c)), Logic("or", (d, e), True))),) == query.root.conditions
    assert ("x,y)", "{1,2}", ("1", "2"), "3") == query.values


def test_levels_belong_to_embeds() -> None:
    query = read("pets.id=eq.1&pets.order=id.desc&pets.limit=3&pets.people.name=eq.x&limit=2&not.and=(a.eq.1)&pets.not.or=(b.eq.2)")
    by_path = {level.path: level for level in query.levels}
    assert {(), ("pets",), ("pets", "people")} == set(by_path)
    assert (Order(Field("id"), True),) == by_path[("pets",)].order
    assert (3, 2) == (query.values[by_path[("pets",)].limit], query.values[by_path[()].limit])
    assert by_path[()].conditions[0] == Logic("and", (Filter(Field("a"), "eq", 4),), True)
    assert isinstance(by_path[("pets",)].conditions[1], Logic)


def test_order() -> None:
    query = read("order=a,b.desc,c.nullsfirst,d.asc.nullslast,data->x.desc,rel(e).desc")
    expected = (
        Order(Field("a")), Order(Field("b"), True), Order(Field("c"), False, "first"), Order(Field("d"), False, "last"),
        Order(Field("data", (Step("x", False),)), True), Order(Field("e"), True, "", "rel"),
    )  # fmt: skip
    assert expected == query.root.order


def test_queries_are_equal_when_only_values_differ() -> None:
    assert read("id=eq.1&limit=5&x=in.(1,2)") == read("id=eq.2&limit=50&x=in.(3)")
    assert hash(read("id=eq.1")) == hash(read("id=eq.2"))
    assert read("id=eq.1") != read("id=neq.1")
    assert read("x=is.null") != read("x=is.true")


FAULTS: list[tuple[str, str, str]] = [
    ("a=xyz", '"failed to parse filter (xyz)" (line 1, column 1)', 'unexpected "x" expecting operator (eq, gt, ...)'),
    ("a=eq", '"failed to parse filter (eq)" (line 1, column 3)', "unexpected end of input expecting operator (eq, gt, ...)"),
    ("a=in.1", '"failed to parse filter (in.1)" (line 1, column 4)', 'unexpected "1" expecting "("'),
    ("a=in.(1", '"failed to parse filter (in.(1)" (line 1, column 6)', 'unexpected end of input expecting "," or ")"'),
    (
        "a=is.x",
        '"failed to parse filter (is.x)" (line 1, column 4)',
        'unexpected "x" expecting isVal: (null, not_null, true, false, unknown)',
    ),
    (
        "select=id,",
        '"failed to parse select parameter (id,)" (line 1, column 4)',
        "unexpected end of input expecting field name (* or [a..z0..9_$])",
    ),
    ("select=pets(id", '"failed to parse select parameter (pets(id)" (line 1, column 8)', 'unexpected end of input expecting ")"'),
    ("select=id)", '"failed to parse select parameter (id))" (line 1, column 3)', 'unexpected ")" expecting "," or end of input'),
    (
        "order=a.up",
        '"failed to parse order (a.up)" (line 1, column 3)',
        'unexpected "u" expecting order direction (asc, desc, nullsfirst, nullslast)',
    ),
    ("or=(a.eq.1", '"failed to parse logic tree ((a.eq.1)" (line 1, column 8)', 'unexpected end of input expecting ","'),
    ("or=()", '"failed to parse logic tree (())" (line 1, column 2)', 'unexpected ")" expecting field name (* or [a..z0..9_$])'),
    ("limit=ten", '"failed to parse limit parameter (ten)" (line 1, column 1)', 'unexpected "t" expecting digits'),
]


@pytest.mark.parametrize(("raw", "message", "details"), FAULTS)
def test_a_fault_names_its_place(raw: str, message: str, details: str) -> None:
    with pytest.raises(UnparsableQuery) as refused:
        read(raw)
    assert (400, "PGRST100", message, details) == (refused.value.status, refused.value.code, refused.value.message, refused.value.details)


@pytest.mark.parametrize(
    "raw", ["or=" + "(and" * 13 + "(a.eq.1)" + ")" * 13, "select=" + "a(" * 14 + "b" + ")" * 14, "a=in.(" + "1," * 10_001 + "1)"]
)
def test_depth_and_size_are_bounded(raw: str) -> None:
    with pytest.raises(TooComplex):
        read(raw)


@given(
    st.text(alphabet='ab*.,:()!->"\\{}=&not inseq_01 ', max_size=40),
    st.sampled_from(["select", "order", "a", "or", "limit", "columns", "x.and"]),
)
def test_any_text_is_a_query_or_a_clear_refusal(text: str, key: str) -> None:
    """Nothing a client writes makes the parser fail otherwise."""
    try:
        parse([(key, text)])
    except BaasError as refused:
        assert refused.status == 400  # noqa: PT017  (either outcome is fine; this is the other one)


@given(st.lists(st.text(max_size=8), max_size=6))
def test_a_quoted_list_comes_back_as_it_was(values: list[str]) -> None:
    quoted = "(" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + ")"
    assert tuple(values) == parse_list(quoted)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["id", "a.b", "x->>y", "limit", "select", "order", "or"]),
            st.sampled_from(["eq.", "not.lt.", "is.null", "in.(1)", "5", ""]),
            st.text("a1,%+.", max_size=5),
        ),
        max_size=5,
    )
)
def test_a_template_stands_for_exactly_one_query(parts: list[tuple[str, str, str]]) -> None:
    """What the short cut does must be what parsing does: equal template, equal query, values in the same slots."""
    raw = "&".join(f"{key}={operator}{value}" for key, operator, value in parts)
    template = split_template(raw)
    if template is None:
        return
    try:
        query = read(raw)
    except BaasError:
        return
    if len(query.slots_by_item) != len(template.key):
        return
    for text, slot in zip(template.values, query.slots_by_item, strict=True):
        if text is not None and slot >= 0:
            assert str(query.values[slot]) == (str(int(text)) if isinstance(query.values[slot], int) else text)


def test_preferences() -> None:
    found = parse_preferences("return=representation, count=exact,resolution=merge-duplicates, foo=bar, missing=default, return=minimal")
    assert ("representation", "exact", "merge-duplicates", "default") == (found.answer, found.count, found.resolution, found.missing)
    assert ("return=representation", "count=exact", "resolution=merge-duplicates", "missing=default") == found.applied
    assert parse_preferences("max-affected=3").max_affected is None, "it needs handling=strict"
    assert 3 == parse_preferences("handling=strict,max-affected=3").max_affected
    with pytest.raises(InvalidPreference) as refused:
        parse_preferences("handling=strict, foo=bar")
    assert "Invalid preferences: foo=bar" == refused.value.details
