"""The Python client of baaskit: data, live queries, auth, storage and functions.

from baaskit_client import AsyncClient, Client, table, eq
"""

from ._account import AuthEvent, Session
from ._auth import Auth
from ._batch import Batch
from ._calls import Call, Request, Row
from ._channel import Channel, Message
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
from ._live import LiveQuery, LiveState
from ._ports import Progress, Response, SessionStore, Socket, SyncTransport, Transport
from ._query import Page, Select, Slice, Write, table
from ._realtime import ConnectionState, Realtime
from ._rows import Change
from ._rpc import RpcCall, rpc
from ._storage import Bucket, StoredFile
from ._stores import FileStore, MemoryStore

__all__ = [
    "AsyncClient",
    "Auth",
    "AuthEvent",
    "BaasError",
    "BadRequest",
    "Batch",
    "Bucket",
    "Call",
    "Change",
    "ChangesLost",
    "Channel",
    "Client",
    "Condition",
    "Conflict",
    "ConnectionFailed",
    "ConnectionState",
    "FileStore",
    "Forbidden",
    "FunctionCall",
    "LiveQuery",
    "LiveState",
    "MemoryStore",
    "Message",
    "NotFound",
    "NotSignedIn",
    "Page",
    "Progress",
    "Realtime",
    "Refused",
    "Request",
    "Response",
    "Row",
    "RpcCall",
    "Select",
    "ServerFailed",
    "Session",
    "SessionEnded",
    "SessionStore",
    "Slice",
    "Socket",
    "StoredFile",
    "SyncTransport",
    "TimedOut",
    "TooManyRequests",
    "Transport",
    "UnreadableAnswer",
    "Write",
    "and_",
    "eq",
    "function",
    "gt",
    "gte",
    "ilike",
    "in_",
    "is_",
    "like",
    "lt",
    "lte",
    "neq",
    "not_",
    "or_",
    "rpc",
    "table",
]
