"""Cursors of live queries: a position in the change log, sealed with what the query was to its caller. Pure.

`s42.1f0c…`: the position and a fingerprint of query, schema, policies and the caller's facts. A cursor whose fingerprint
is no longer true cannot be resumed from, because the rows it stands for were others.
"""

from __future__ import annotations

from dataclasses import dataclass

from baaskit.kernel.changes import BadCursor, Position


@dataclass(frozen=True, slots=True)
class LiveCursor:
    position: Position
    fingerprint: str

    def __str__(self) -> str:
        return f"{position_text(self.position)}.{self.fingerprint}"

    @classmethod
    def parse(cls, text: str) -> LiveCursor:
        """Raises BadCursor."""
        position, dot, fingerprint = text.rpartition(".")
        if not dot:
            raise BadCursor("The cursor is malformed.", hint="Leave out `since` to start from a snapshot.")
        return cls(Position.parse(position), fingerprint)


def position_text(position: Position) -> str:
    """What `Position.parse` reads back."""
    if position.sqlite:
        return f"s{position.xmin}"
    return f"p{position.xmin}:{position.xmax}:{','.join(str(x) for x in sorted(position.running))}"


def merged(one: Position, other: Position) -> Position:
    """The position that contains what either contains."""
    if one.sqlite:
        return one if one.xmin >= other.xmin else other
    larger, smaller = (one, other) if one.xmax >= other.xmax else (other, one)
    running = frozenset(x for x in larger.running if not (x < smaller.xmin or (x < smaller.xmax and x not in smaller.running)))
    return Position(False, max(one.xmin, other.xmin), larger.xmax, running)


def is_ahead(position: Position, of: Position) -> bool:
    """Whether `position` claims to know what `of`, a position of now, does not: the database is not the one it was."""
    return position.sqlite != of.sqlite or (position.xmin > of.xmin if position.sqlite else position.xmax > of.xmax)
