"""`/auth/v1/factors` and what admins see of them: the routes. The work is in `factors` and `recovery_codes`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from baaskit.auth import factors, recovery_codes
from baaskit.auth.caller import Caller, require_admin, signed_in, visit_of
from baaskit.auth.desk import Desk
from baaskit.auth.render import answer
from baaskit.auth.requests import Challenge, FactorProof, NewFactor, RecoveryCode
from baaskit.auth.usertable import account_named
from baaskit.auth.views import SessionView
from baaskit.errors.auth import FactorNotFound, ImpersonationRefused

_SESSION: dict[int | str, dict[str, Any]] = {200: {"model": SessionView}}


def add_factors(desk: Desk, router: APIRouter) -> None:
    """Put them on `router`."""
    kit = desk.kit

    async def owner(request: Request) -> Caller:
        caller = await signed_in(kit, request)
        if caller.is_impersonated:
            raise ImpersonationRefused()
        return caller

    current: Any = Depends(owner)

    @router.post("/factors")
    async def enroll(request: Request, asked: NewFactor, caller: Caller = current) -> Response:
        """A new factor with what an authenticator app scans; it counts once it has been verified."""
        return answer(await factors.enroll(desk, caller, asked, visit_of(kit, request)))

    @router.post("/factors/recovery_codes")
    async def make_codes(request: Request, caller: Caller = current) -> Response:
        """Ten new recovery codes in the place of the earlier ones. They are shown only now."""
        return answer(await recovery_codes.make(kit, caller, visit_of(kit, request)))

    @router.get("/factors/recovery_codes")
    async def count_codes(caller: Caller = current) -> Response:
        """How many recovery codes are left."""
        return answer(await recovery_codes.left(kit, caller))

    @router.post("/factors/recovery_codes/verify", responses=_SESSION)
    async def use_code(request: Request, asked: RecoveryCode, caller: Caller = current) -> Response:
        """The session raised to `aal2` by a recovery code, which is used up."""
        return answer(await recovery_codes.use(desk, caller, asked, visit_of(kit, request)))

    @router.post("/factors/{factor_id}/challenge")
    async def challenge(factor_id: str, asked: Challenge, caller: Caller = current) -> Response:
        """What `verify` answers to, within five minutes."""
        return answer(await factors.challenge(desk, caller, _id(factor_id), asked))

    @router.post("/factors/{factor_id}/verify", responses=_SESSION)
    async def verify(factor_id: str, request: Request, asked: FactorProof, caller: Caller = current) -> Response:
        """The session raised to `aal2`."""
        return answer(await factors.verify(desk, caller, _id(factor_id), asked, visit_of(kit, request)))

    @router.delete("/factors/{factor_id}")
    async def unenroll(factor_id: str, request: Request, caller: Caller = current) -> Response:
        """Remove a factor; a verified one only with `aal2`."""
        return answer(await factors.unenroll(kit, caller, _id(factor_id), visit_of(kit, request)))

    async def admin_only(request: Request) -> None:
        require_admin(kit, request)

    guarded = [Depends(admin_only)]

    @router.get("/admin/users/{user_id}/factors", dependencies=guarded)
    async def list_factors(user_id: str) -> Response:
        return answer(await factors.list_of(kit, account_named(kit, user_id)))

    @router.delete("/admin/users/{user_id}/factors/{factor_id}", dependencies=guarded)
    async def delete_factor(user_id: str, factor_id: str) -> Response:
        """Remove a factor, as of a lost phone; sessions that it raised end."""
        return answer(await factors.remove(kit, account_named(kit, user_id), _id(factor_id)))


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as problem:
        raise FactorNotFound() from problem
