"""Errors of the storage surface. Its clients read the true code from `statusCode`, a string; HTTP says 400 (wire.md §3.5)."""

from __future__ import annotations

from typing import Any

from baaskit.errors import BaasError


class StorageError(BaasError):
    """Base: `true_status` is what `statusCode` says, `label` the older name of the error."""

    status = 400
    true_status = 400
    label = "Bad Request"

    def body(self) -> dict[str, Any]:
        return {"statusCode": str(self.true_status), "code": self.code, "error": self.label, "message": self.message}


class NoSuchBucket(StorageError):
    """Bucket not found"""

    code, true_status, label = "NoSuchBucket", 404, "Bucket not found"


class NoSuchKey(StorageError):
    """Object not found"""

    code, true_status, label = "NoSuchKey", 404, "not_found"


class Duplicate(StorageError):
    """The resource already exists"""

    code, true_status, label = "ResourceAlreadyExists", 409, "Duplicate"


class BucketNotEmpty(StorageError):
    """The bucket you tried to delete is not empty"""

    code, true_status, label = "ResourceNotEmpty", 409, "InvalidRequest"


class AccessDenied(StorageError):
    """new row violates row-level security policy"""

    code, true_status, label = "AccessDenied", 403, "Unauthorized"


class EntityTooLarge(StorageError):
    """The object exceeded the maximum allowed size"""

    code, true_status, label = "EntityTooLarge", 413, "Payload too large"


class InvalidMimeType(StorageError):
    """The bucket does not take this kind of file."""

    code, true_status, label = "InvalidMimeType", 415, "invalid_mime_type"


class InvalidKey(StorageError):
    """The object's name is not allowed."""

    code, label = "InvalidKey", "InvalidKey"


class InvalidBucketName(StorageError):
    """Bucket name invalid"""

    code, label = "InvalidBucketName", "Invalid Input"


class InvalidRequest(StorageError):
    """The request is malformed."""

    code, label = "InvalidRequest", "Invalid Input"


class InvalidRange(StorageError):
    """invalid range provided"""

    status = 416
    code, true_status, label = "InvalidRange", 416, "invalid_range"


class InvalidSignature(StorageError):
    """The signed URL is not for this."""

    code, label = "InvalidSignature", "InvalidSignature"


class ExpiredSignature(StorageError):
    """ "exp" claim timestamp check failed"""

    code, label = "InvalidJWT", "InvalidJWT"
