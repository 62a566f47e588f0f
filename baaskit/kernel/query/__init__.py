"""Request URL and headers → Query and Preferences: pure grammar that knows no schema."""

from __future__ import annotations

from baaskit.kernel.query.parser import parse, parse_list
from baaskit.kernel.query.preferences import NONE, parse_preferences
from baaskit.kernel.query.template import Template, split_template
from baaskit.kernel.query.types import (
    PLAIN_OPERATORS,
    SEARCHES,
    Aggregate,
    Condition,
    Embed,
    Field,
    Filter,
    Item,
    Level,
    Logic,
    Order,
    Path,
    Preferences,
    Query,
    Selected,
    Star,
    Step,
    Value,
)

__all__ = [
    "NONE", "PLAIN_OPERATORS", "SEARCHES", "Aggregate", "Condition", "Embed", "Field", "Filter", "Item", "Level", "Logic", "Order", "Path",
    "Preferences", "Query",
    "Selected", "Star", "Step", "Template", "Value", "parse", "parse_list", "parse_preferences", "split_template",
]  # fmt: skip
