"""Server functions: what authors import. The server's side (`service`, `routes`) is imported by its full name."""

from baaskit.functions.api import Caller, Context, Event, Refused, Request, Response, after, before, http

__all__ = ["Caller", "Context", "Event", "Refused", "Request", "Response", "after", "before", "http"]
