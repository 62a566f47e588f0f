"""Query + catalogue + role → ReadPlan | WritePlan: names resolved, policies attached, limits applied."""

from __future__ import annotations

from baaskit.kernel.plan.call import Given, choose, plan_call, raw_types, shape, split_arguments
from baaskit.kernel.plan.live import LivePlan, plan_live
from baaskit.kernel.plan.read import find_table, pg_name, plan_read
from baaskit.kernel.plan.types import (
    AggregateOut,
    Catalog,
    ColumnOut,
    EmbedOut,
    EmbedTest,
    Group,
    Limits,
    OrderBy,
    Out,
    Place,
    ReadPlan,
    Relation,
    Test,
    Where,
    WritePlan,
)
from baaskit.kernel.plan.write import plan_delete, plan_insert, plan_update

__all__ = [
    "AggregateOut", "Catalog", "ColumnOut", "EmbedOut", "EmbedTest", "Given", "Group", "Limits", "LivePlan",
    "OrderBy", "Out", "Place", "ReadPlan",
    "Relation", "Test", "Where", "WritePlan", "choose", "find_table", "pg_name", "plan_call", "plan_delete", "plan_insert", "plan_live", "plan_read", "plan_update",
    "raw_types", "shape", "split_arguments",
]  # fmt: skip
