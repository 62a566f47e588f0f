"""Sign-in and accounts: `/auth/v1`, and what the command line and the app need of it."""

from baaskit.auth.admin import create_user
from baaskit.auth.render import render
from baaskit.auth.revocation import start_revocation
from baaskit.auth.routes import routes

__all__ = ["create_user", "render", "routes", "start_revocation"]
