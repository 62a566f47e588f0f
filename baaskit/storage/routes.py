"""`/storage/v1`: buckets and objects, in the dialect of the official client libraries (wire.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from baaskit.errors import ExpiredToken, InvalidToken
from baaskit.errors.storage import AccessDenied, NoSuchKey
from baaskit.kernel.claims import SERVICE, Claims
from baaskit.kernel.database import Row
from baaskit.kernel.kit import Kit
from baaskit.storage import buckets, rows, serve
from baaskit.storage.blobs import Blobs
from baaskit.storage.listing import Listing, list_folder
from baaskit.storage.names import check_key
from baaskit.storage.rows import Caller
from baaskit.storage.signing import Signer
from baaskit.storage.upload import Uploads

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"*/*": {}}},
    206: {"description": "A part of it", "content": {"*/*": {}}},
    304: {"description": "Not modified"},
}
MOST = 2**53  # of any number that a client may name

Handler = TypeVar("Handler", bound=Callable[..., Any])


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class BucketBody(_Body):
    id: str = Field(max_length=100)
    name: str | None = Field(None, max_length=100)
    public: bool = False
    file_size_limit: int | str | None = None
    allowed_mime_types: list[str] | None = None


class BucketChange(_Body):
    public: bool | None = None
    file_size_limit: int | str | None = None
    allowed_mime_types: list[str] | None = None


class SortBy(_Body):
    column: str = "name"
    order: str = "asc"


class ListBody(_Body):
    prefix: str = Field("", max_length=1024)
    limit: int = Field(100, ge=0, le=100_000)
    offset: int = Field(0, ge=0, le=MOST)
    search: str | None = Field(None, max_length=1024)
    sort_by: SortBy = Field(default_factory=SortBy, alias="sortBy")


class Prefixes(_Body):
    prefixes: list[str] = Field(max_length=1000)


class SignBody(_Body):
    expires_in: int = Field(alias="expiresIn", ge=1)


class SignMany(SignBody):
    paths: list[str] = Field(max_length=1000)


class MoveBody(_Body):
    bucket_id: str = Field(alias="bucketId")
    source_key: str = Field(alias="sourceKey")
    destination_key: str = Field(alias="destinationKey")
    destination_bucket: str | None = Field(None, alias="destinationBucket")


class Surface:
    """What the handlers share: the kit, the bytes, the signer, and how a caller is known."""

    def __init__(self, kit: Kit, blobs: Blobs) -> None:
        self.kit, self.blobs = kit, blobs
        self.signer = Signer(kit.keys.derive("storage signed url"))
        self.uploads = Uploads(kit, blobs)

    def caller(self, request: Request) -> Caller:
        """Who asks, from Authorization, else apikey. Raises AccessDenied for a token that is none of ours."""
        header = request.headers.get("authorization", "")
        token = header[7:].strip() if header[:7].lower() == "bearer " else request.headers.get("apikey")
        try:
            return self.of(self.kit.keys.verifier.verify(token, datetime.now(UTC).timestamp()))
        except ExpiredToken as problem:
            raise AccessDenied('"exp" claim timestamp check failed') from problem
        except InvalidToken as problem:
            raise AccessDenied("Invalid Compact JWS") from problem

    def of(self, claims: Claims) -> Caller:
        return Caller.of(self.kit.database, claims)


def get_and_head(router: APIRouter, path: str, *, shown: bool = True, file: bool = True) -> Callable[[Handler], Handler]:
    """The same handler for both; the description of the API names it once, as a `file` or as what the handler returns."""

    def add(handler: Handler) -> Handler:
        described: dict[str, Any] = {"response_class": Response, "responses": _FILE} if file else {}
        router.add_api_route(path, handler, methods=["GET"], include_in_schema=shown, **described)
        router.add_api_route(path, handler, methods=["HEAD"], include_in_schema=False)
        return handler

    return add


def routes(kit: Kit, blobs: Blobs) -> APIRouter:
    router, surface = APIRouter(prefix="/storage/v1", tags=["storage"]), Surface(kit, blobs)
    _bucket_routes(router, surface)
    _fixed_object_routes(router, surface)
    _object_routes(router, surface)
    return router


def _bucket_routes(router: APIRouter, surface: Surface) -> None:
    database = surface.kit.database

    @router.get("/bucket")
    async def list_buckets(
        request: Request, limit: Annotated[int | None, Query(ge=0, le=MOST)] = None, offset: Annotated[int, Query(le=MOST)] = 0,
        sortColumn: str = "id", sortOrder: str = "asc", search: str = "",  # noqa: N803
    ) -> list[dict[str, Any]]:  # fmt: skip
        caller, descending = surface.caller(request), sortOrder.lower() == "desc"
        found = await database.read(
            lambda: buckets.read_buckets(
                caller, limit=limit, offset=max(0, offset), column=sortColumn, descending=descending, search=search
            )
        )
        return [bucket_json(row) for row in found]

    @router.get("/bucket/{bucket}")
    async def get_bucket(request: Request, bucket: str) -> dict[str, Any]:
        caller = surface.caller(request)
        return bucket_json(await database.read(lambda: buckets.read_bucket(caller, bucket)))

    @router.post("/bucket")
    async def create_bucket(request: Request, body: BucketBody) -> dict[str, str]:
        caller = surface.caller(request)
        values = {
            "id": body.id, "name": body.name or body.id, "public": body.public,
            "file_size_limit": buckets.size_limit(body.file_size_limit), "allowed_mime_types": body.allowed_mime_types,
        }  # fmt: skip
        row = await database.run(lambda: buckets.create_bucket(caller, values))
        return {"name": row["name"]}

    @router.put("/bucket/{bucket}")
    async def update_bucket(request: Request, bucket: str, body: BucketChange) -> dict[str, str]:
        caller = surface.caller(request)
        values = body.model_dump(include=body.model_fields_set)
        if "file_size_limit" in values:
            values["file_size_limit"] = buckets.size_limit(values["file_size_limit"])
        if values.get("public", False) is None:
            del values["public"]
        await database.run(lambda: buckets.update_bucket(caller, bucket, values))
        return {"message": "Successfully updated"}

    @router.post("/bucket/{bucket}/empty")
    async def empty_bucket(request: Request, bucket: str) -> dict[str, str]:
        caller = surface.caller(request)
        keys = await database.run(lambda: buckets.empty_bucket(caller, bucket))
        await surface.blobs.delete(keys)
        return {"message": "Empty bucket has been queued. Completion may take up to an hour."}  # clients expect these words

    @router.delete("/bucket/{bucket}")
    async def delete_bucket(request: Request, bucket: str) -> dict[str, str]:
        caller = surface.caller(request)
        await database.run(lambda: buckets.delete_bucket(caller, bucket))
        return {"message": "Successfully deleted"}


def _fixed_object_routes(router: APIRouter, surface: Surface) -> None:
    """Routes whose first segment after `/object/` is a word; they come before those where it is a bucket."""
    database = surface.kit.database

    @router.post("/object/list/{bucket}")
    async def list_objects(request: Request, bucket: str, body: ListBody) -> list[dict[str, Any]]:
        caller = surface.caller(request)
        prefix = body.prefix.lstrip("/")
        prefix += "/" if prefix and not prefix.endswith("/") else ""
        asked = Listing(
            bucket, prefix, body.search or "", body.limit, body.offset, body.sort_by.column, body.sort_by.order.lower() == "desc"
        )
        return [entry_json(entry) for entry in await database.read(lambda: list_folder(caller, asked))]

    async def one_signed(caller: Caller, bucket: str, name: str, seconds: int) -> str:
        await database.read(lambda: rows.find_object(caller, bucket, name))
        token = surface.signer.sign("download", f"{bucket}/{name}", seconds)
        return f"/object/sign/{quote(bucket)}/{quote(name)}?token={token}"

    @router.post("/object/sign/{bucket}")
    async def sign_many(request: Request, bucket: str, body: SignMany) -> list[dict[str, Any]]:
        caller, answers = surface.caller(request), []
        for path in body.paths:
            try:
                answers.append({"error": None, "path": path, "signedURL": await one_signed(caller, bucket, path, body.expires_in)})
            except NoSuchKey:
                missing = "Either the object does not exist or you do not have access to it"
                answers.append({"error": missing, "path": path, "signedURL": None})
        return answers

    @router.post("/object/sign/{bucket}/{name:path}")
    async def sign(request: Request, bucket: str, name: str, body: SignBody) -> dict[str, str]:
        return {"signedURL": await one_signed(surface.caller(request), bucket, name, body.expires_in)}

    @get_and_head(router, "/object/sign/{bucket}/{name:path}")
    async def get_signed(request: Request, bucket: str, name: str, token: str = "") -> Response:
        surface.signer.read("download", f"{bucket}/{name}", token)
        service = surface.of(SERVICE)
        return serve.respond(request, await database.read(lambda: rows.find_object(service, bucket, name)), surface.blobs)

    @router.post("/object/upload/sign/{bucket}/{name:path}")
    async def sign_upload(request: Request, bucket: str, name: str) -> dict[str, str]:
        caller, upsert = surface.caller(request), request.headers.get("x-upsert") == "true"
        await surface.uploads.rehearse(caller, bucket, check_key(name), upsert)
        token = surface.signer.sign("upload", f"{bucket}/{name}", 7200, owner=caller.claims.uid, upsert=upsert)
        return {"url": f"/object/upload/sign/{quote(bucket)}/{quote(name)}?token={token}", "token": token}

    @router.put("/object/upload/sign/{bucket}/{name:path}")
    async def put_signed(request: Request, bucket: str, name: str, token: str = "") -> dict[str, str]:
        claims = surface.signer.read("upload", f"{bucket}/{name}", token)
        signer = Claims("service_role", claims.get("owner"), {"role": "service_role", "sub": claims.get("owner")})
        row = await surface.uploads.store(request, surface.of(signer), bucket, check_key(name), upsert=bool(claims.get("upsert")))
        return {"Id": row["id"], "Key": f"{bucket}/{name}"}

    @get_and_head(router, "/object/public/{bucket}/{name:path}")
    async def get_public(request: Request, bucket: str, name: str) -> Response:
        anyone = surface.of(SERVICE)
        return serve.respond(request, await database.read(lambda: rows.find_object(anyone, bucket, name, public=True)), surface.blobs)

    for path in (
        "/object/info/public/{bucket}/{name:path}",
        "/object/info/authenticated/{bucket}/{name:path}",
        "/object/info/{bucket}/{name:path}",
    ):

        @get_and_head(router, path, shown=path.startswith("/object/info/{"), file=False)
        async def info(request: Request, bucket: str, name: str) -> dict[str, Any]:
            caller, public = surface.caller(request), "/info/public/" in request.url.path
            return info_json(await database.read(lambda: rows.find_object(caller, bucket, name, public=public)))

    @router.post("/object/move")
    async def move(request: Request, body: MoveBody) -> dict[str, str]:
        caller, to = surface.caller(request), body.destination_bucket or body.bucket_id
        check_key(body.destination_key)
        row = await database.run(lambda: rows.move_object(caller, body.bucket_id, body.source_key, to, body.destination_key))
        return {"message": "Successfully moved", "Id": row["id"], "Key": f"{to}/{body.destination_key}"}

    @router.post("/object/copy")
    async def copy(request: Request, body: MoveBody) -> dict[str, Any]:
        caller, to = surface.caller(request), body.destination_bucket or body.bucket_id
        check_key(body.destination_key)
        source = await database.read(lambda: rows.find_object(caller, body.bucket_id, body.source_key))
        row = await surface.uploads.copy(caller, source, to, body.destination_key, upsert=request.headers.get("x-upsert") == "true")
        return {"Id": row["id"], "Key": f"{to}/{body.destination_key}", **info_json(row)}


def _object_routes(router: APIRouter, surface: Surface) -> None:
    database = surface.kit.database

    async def put(request: Request, bucket: str, name: str, upsert: bool) -> dict[str, str]:
        row = await surface.uploads.store(request, surface.caller(request), bucket, check_key(name), upsert=upsert)
        return {"Id": row["id"], "Key": f"{bucket}/{name}"}

    @router.post("/object/{bucket}/{name:path}")
    async def upload(request: Request, bucket: str, name: str) -> dict[str, str]:
        return await put(request, bucket, name, request.headers.get("x-upsert") == "true")

    @router.put("/object/{bucket}/{name:path}")
    async def replace(request: Request, bucket: str, name: str) -> dict[str, str]:
        return await put(request, bucket, name, True)

    @router.delete("/object/{bucket}")
    async def delete_many(request: Request, bucket: str, body: Prefixes) -> list[dict[str, Any]]:
        caller = surface.caller(request)
        gone = await database.run(lambda: rows.delete_objects(caller, bucket, body.prefixes))
        await surface.blobs.delete([row["version"] for row in gone])
        return [object_json(row) for row in gone]

    @router.delete("/object/{bucket}/{name:path}")
    async def delete_one(request: Request, bucket: str, name: str) -> dict[str, str]:
        caller = surface.caller(request)
        gone = await database.run(lambda: rows.delete_objects(caller, bucket, [name]))
        if not gone:
            raise NoSuchKey()
        await surface.blobs.delete([row["version"] for row in gone])
        return {"message": "Successfully deleted"}

    for path in ("/object/authenticated/{bucket}/{name:path}", "/object/{bucket}/{name:path}"):

        @get_and_head(router, path, shown=path.startswith("/object/{"))
        async def download(request: Request, bucket: str, name: str) -> Response:
            caller = surface.caller(request)
            return serve.respond(request, await database.read(lambda: rows.find_object(caller, bucket, name)), surface.blobs)


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z" if moment else None


def bucket_json(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"], "name": row["name"], "owner": row["owner_id"] or "", "owner_id": row["owner_id"] or "", "public": row["public"],
        "type": "STANDARD", "file_size_limit": row["file_size_limit"], "allowed_mime_types": row["allowed_mime_types"],
        "created_at": _iso(row["created_at"]), "updated_at": _iso(row["updated_at"]),
    }  # fmt: skip


def object_json(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"], "name": row["name"], "bucket_id": row["bucket_id"], "owner": row["owner_id"], "owner_id": row["owner_id"],
        "version": row["version"], "metadata": row["metadata"], "user_metadata": row["user_metadata"],
        "created_at": _iso(row["created_at"]), "updated_at": _iso(row["updated_at"]), "last_accessed_at": _iso(row["last_accessed_at"]),
    }  # fmt: skip


def entry_json(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a listing; a folder has a name and nothing else."""
    row = entry["row"]
    if row is None:
        return {"name": entry["name"], "id": None, "updated_at": None, "created_at": None, "last_accessed_at": None, "metadata": None}
    shown = object_json(row)
    return {"name": entry["name"], **{key: shown[key] for key in ("id", "updated_at", "created_at", "last_accessed_at", "metadata")}}


def info_json(row: Row) -> dict[str, Any]:
    meta = row["metadata"]
    return {
        "id": row["id"], "name": row["name"], "version": row["version"], "bucket_id": row["bucket_id"], "size": meta["size"],
        "content_type": meta["mimetype"], "cache_control": meta.get("cacheControl"), "etag": meta["eTag"], "metadata": row["user_metadata"] or {},
        "last_modified": _iso(row["updated_at"]), "created_at": _iso(row["created_at"]),
    }  # fmt: skip
