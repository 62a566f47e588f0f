"""Starts a command as root in a mount namespace where another user can reach the named places, and nothing beside them.

`python -m baaskit.functions.doorway PLACE… -- COMMAND…`. Root's home is closed to others, and Python often lives in it. So in
a namespace of our own every closed folder above a place is covered by an empty one, and the place alone is put back, read-only.
Where namespaces are not allowed the command runs as it is; whether the other user can work there is found out by trying.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18


def closed_above(place: Path) -> Path | None:
    """The outermost folder above `place` that others may not enter."""
    return next((folder for folder in reversed(place.parents) if not folder.stat().st_mode & 0o001), None)


def open_way(places: list[Path]) -> None:
    """Nothing outside this process is changed. Raises OSError if the places cannot be put back: do not go on then."""
    closed = {place: above for place in places if (above := closed_above(place))}
    if not closed:
        return
    try:
        _system("unshare", _CLONE_NEWNS)
    except OSError:
        return  # as in most containers; the caller tries whether the command can work as it is
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    held = {place: os.open(place, os.O_PATH) for place in closed}  # in the new namespace: of another one they cannot be mounted
    for folder in set(closed.values()):
        _mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=64k")
    os.umask(0o022)
    for place, descriptor in held.items():
        place.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", str(place), None, _MS_BIND | _MS_REC)
        _mount(None, str(place), None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
        os.close(descriptor)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _system("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def _system(call: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def main() -> None:
    split = sys.argv.index("--")
    open_way([Path(place) for place in sys.argv[1:split]])
    os.execv(sys.argv[split + 1], sys.argv[split + 1 :])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
