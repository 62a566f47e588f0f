"""Thumbnails: every photo that a seller uploads gets a small WebP twin beside it."""

import io

from baaskit.functions import Context, Event, after

SIDE = 480  # pixels of the longer side
MOST_PIXELS = 40_000_000  # an image that claims more is a bomb or a mistake
KINDS = ("image/jpeg", "image/png", "image/webp")


def twin(name: str) -> str:
    """Where the thumbnail of an object is: `ana/rex.jpg` → `ana/rex.jpg.thumb.webp`."""
    return f"{name}.thumb.webp"


@after("insert", "storage.objects", admin=True)
async def make_thumbnail(ctx: Context, event: Event) -> None:
    new = event.new
    if new["bucket_id"] != "photos" or new["name"].endswith(".thumb.webp") or new["metadata"].get("mimetype") not in KINDS:
        return
    photos = ctx.admin.storage("photos")
    small = shrink(await photos.download(new["name"]))
    if small is None:
        ctx.log.warning("%s is not an image that can be read", new["name"])
        return
    await photos.upload(twin(new["name"]), small, content_type="image/webp", upsert=True)


def shrink(photo: bytes) -> bytes | None:
    """A WebP of at most SIDE pixels, turned as the camera was held, without its metadata; None if it cannot be read."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(io.BytesIO(photo)) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
            image.thumbnail((SIDE, SIDE))
            out = io.BytesIO()
            image.save(out, "WEBP", quality=82)
            return out.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
