"""The local result of a live query."""

from __future__ import annotations

import random

import pytest
from baaskit_client import UnreadableAnswer
from baaskit_client._rows import LiveRows
from hypothesis import given
from hypothesis import strategies as st


def pets(orders=("price",), rows=((1, 10), (2, 20), (3, 30))):
    live = LiveRows(orders)
    live.snapshot({"key": ["id"], "cursor": "c0", "rows": [{"id": i, "price": p} for i, p in rows]})
    return live


def ids(live):
    return [row["id"] for row in live.rows]


def test_an_entering_row_takes_its_place():
    live = pets()
    [change] = live.delta({"cursor": "c1", "enter": [{"id": 9, "price": 15}]})
    assert (change.kind, change.key, change.row, change.old) == ("enter", {"id": 9}, {"id": 9, "price": 15}, None)
    assert ids(live) == [1, 9, 2, 3]


def test_a_changed_row_moves_and_tells_its_old_values():
    live = pets()
    [change] = live.delta({"cursor": "c1", "change": [{"id": 1, "price": 99}]})
    assert (change.kind, change.old) == ("change", {"id": 1, "price": 10})
    assert ids(live) == [2, 3, 1]


def test_a_leaving_row_is_told_with_the_values_last_known_here():
    live = pets()
    [change] = live.delta({"cursor": "c1", "leave": [{"id": 2}]})
    assert (change.kind, change.row, change.old) == ("leave", None, {"id": 2, "price": 20})
    assert ids(live) == [1, 3]


def test_a_delta_that_comes_twice_is_told_once():
    live = pets()
    delta = {"cursor": "c1", "enter": [{"id": 9, "price": 15}], "leave": [{"id": 1}]}
    assert len(live.delta(delta)) == 2
    assert live.delta(delta) == []
    assert live.delta({**delta, "cursor": "c2"}) == []


def test_a_new_snapshot_is_told_as_its_difference():
    live = pets()
    told = live.snapshot({"cursor": "c9", "rows": [{"id": 2, "price": 21}, {"id": 3, "price": 30}, {"id": 4, "price": 40}]})
    assert [(c.kind, c.key["id"]) for c in told] == [("leave", 1), ("change", 2), ("enter", 4)]
    assert live.cursor == "c9"


def test_the_order_that_the_server_tells_wins():
    live = pets()
    live.delta({"cursor": "c1", "enter": [{"id": 9, "price": 15}], "order": [{"id": 9}, {"id": 3}, {"id": 2}, {"id": 1}]})
    assert ids(live) == [9, 3, 2, 1]


def test_an_empty_order_leaves_what_entered_at_the_end():
    """The server sorts texts by its collation, which the client does not know."""
    live = pets(orders=("name",), rows=())
    live.delta({"cursor": "c1", "enter": [{"id": 1, "name": "apple"}], "order": []})
    live.delta({"cursor": "c2", "enter": [{"id": 2, "name": "Banana"}], "order": []})
    assert ids(live) == [1, 2]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("price", [1, 2, 3, None]),
        ("price.desc", [None, 3, 2, 1]),
        ("price.asc.nullsfirst", [None, 1, 2, 3]),
        ("price.desc.nullslast", [3, 2, 1, None]),
    ],
)
def test_nulls_sort_as_in_sql(order, expected):
    live = pets(orders=(order,), rows=())
    rows = [{"id": str(p), "price": p} for p in (1, 2, 3, None)]
    random.shuffle(rows)
    live.delta({"cursor": "c1", "enter": rows})
    assert expected == [row["price"] for row in live.rows]


def test_a_second_order_term_breaks_ties():
    live = pets(orders=("kind", "price.desc"), rows=())
    live.delta({"cursor": "c1", "enter": [{"id": i, "kind": k, "price": i} for i, k in ((1, "b"), (2, "a"), (3, "b"))]})
    assert ids(live) == [2, 3, 1]


def test_a_checkpoint_goes_on_where_it_stopped():
    again = LiveRows(("price",))
    again.restore(pets().checkpoint())
    assert (again.cursor, ids(again)) == ("c0", [1, 2, 3])
    assert [c.kind for c in again.delta({"cursor": "c1", "leave": [{"id": 1}]})] == ["leave"]


def test_rows_without_their_key_are_refused_with_the_way_out():
    with pytest.raises(UnreadableAnswer, match="primary key"):
        LiveRows().snapshot({"key": ["id"], "cursor": "c", "rows": [{"name": "Rex"}]})


tables = st.dictionaries(st.integers(0, 5), st.integers(0, 3) | st.none(), max_size=6)


def in_order(table):
    """What a fresh read gives: nulls last, the key decides between equals."""
    return [{"id": i, "price": p} for i, p in sorted(table.items(), key=lambda item: (item[1] is None, item[1] or 0, item[0]))]


def delta_between(before, after, cursor):
    key = [{"id": i} for i in before if i not in after]
    changed = [{"id": i, "price": after[i]} for i in after if i in before and before[i] != after[i]]
    entered = [{"id": i, "price": after[i]} for i in after if i not in before]
    order = [{"id": row["id"]} for row in in_order(after)]
    return {"cursor": cursor, "enter": entered, "change": changed, "leave": key, "order": order}


@given(first=tables, steps=st.lists(st.tuples(tables, st.sampled_from(["once", "twice", "told anew"])), max_size=8))
def test_rows_and_told_changes_equal_a_fresh_read_whatever_is_repeated(first, steps):
    """A delta may arrive twice, or a snapshot come in its place; the rows are right and each change is told once."""
    live, by_changes = LiveRows(("price", "id")), dict(first)
    live.snapshot({"key": ["id"], "cursor": "c", "rows": in_order(first)})
    before = first
    for number, (after, how) in enumerate(steps):
        delta = delta_between(before, after, f"c{number}")
        snapshot = {"cursor": f"c{number}", "rows": in_order(after)}
        told = live.snapshot(snapshot) if how == "told anew" else live.delta(delta)
        if how == "twice":
            told += live.delta({**delta, "cursor": f"c{number}-again"})
        for change in told:
            assert by_changes.get(change.key["id"], "absent") == (change.old["price"] if change.old else "absent")
            if change.row:
                by_changes[change.key["id"]] = change.row["price"]
            else:
                del by_changes[change.key["id"]]
        assert by_changes == after
        assert live.rows == in_order(after)
        before = after


@given(first=tables, after=tables)
def test_without_a_told_order_the_client_sorts_as_the_query_says(first, after):
    live = LiveRows(("price", "id"))
    live.snapshot({"key": ["id"], "cursor": "c", "rows": in_order(first)})
    live.delta({**delta_between(first, after, "c1"), "order": None})
    assert live.rows == in_order(after)
