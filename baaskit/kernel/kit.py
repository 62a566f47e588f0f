"""Kit: the frozen bundle of live parts that every feature receives."""

from __future__ import annotations

from dataclasses import dataclass

from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import Keys
from baaskit.settings import Settings


@dataclass(frozen=True, slots=True)
class Kit:
    settings: Settings
    database: Database
    changes: ChangeFeed
    hooks: Hooks
    keys: Keys
