"""The Python client of baaskit: data, live queries, auth, storage and functions.

    from baaskit_client import AsyncClient, Client, table, eq
"""

from ._account import AuthEvent, Session
from ._auth import Auth
from ._batch import Batch
from ._calls import Call, Request
from ._client import AsyncClient, Client
from ._errors import (
    BaasError,
    BadRequest,
    ChangesLost,
    Conflict,
    ConnectionFailed,
    Forbidden,
    NotFound,
    NotSignedIn,
    Refused,
    ServerFailed,
    SessionEnded,
    TimedOut,
    TooManyRequests,
    UnreadableAnswer,
)
from ._filters import Condition, and_, eq, gt, gte, ilike, in_, is_, like, lt, lte, neq, not_, or_
from ._functions import FunctionCall, function
from ._ports import MemoryStore, Progress, Response, SessionStore, Socket, SyncTransport, Transport
from ._query import Page, Row, Select, Write, table
from ._storage import Bucket, StoredFile

__all__ = [name for name in dir() if not name.startswith("_")]
