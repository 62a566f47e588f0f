"""What docs/reference/policies.md shows and promises holds."""

from __future__ import annotations

import re
from pathlib import Path

from baaskit.kernel.policy import parse_policies
from baaskit.kernel.policy.check import _CALLS
from baaskit.kernel.schema import Schema, TableName, Type

from .pets import SCHEMA, table

PAGE = (Path(__file__).parents[3] / "docs/reference/policies.md").read_text()
ORDERS = TableName("public", "orders")


def test_the_statements_of_the_page_are_accepted() -> None:
    status = Type("order_status", labels=("cart", "placed"))
    schema = Schema({**SCHEMA.tables, ORDERS: table(ORDERS, id="int8", buyer_id="uuid", status=status, total="numeric")})
    [example] = re.findall(r"```sql\n(.*?)```", PAGE, re.S)

    assert len(parse_policies(example, schema).policies) == 3


def test_every_function_of_the_language_is_on_the_page() -> None:
    missing = [name for name in _CALLS if name != "char_length" and name not in PAGE]

    assert missing == []
