"""The console: the admin API, the page it serves, and the accounts of the people who use them."""

from baaskit.console.admins import create_admin, ensure_setup_token
from baaskit.console.routes import routes
from baaskit.console.traffic import Gate, Traffic

__all__ = ["Gate", "Traffic", "create_admin", "ensure_setup_token", "routes"]
