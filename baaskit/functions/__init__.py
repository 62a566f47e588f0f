"""Server functions: what authors import. The server's side (`service`, `routes`) is imported by its full name."""

from baaskit.functions.api import Caller, Context, Event, Refused, Request, Response, after, before, http, rpc

__all__ = ["Caller", "Context", "Event", "Refused", "Request", "Response", "after", "before", "http", "rpc"]
