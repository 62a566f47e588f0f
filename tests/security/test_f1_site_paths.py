"""F1: hosted files and nothing else: no path leads out of the folder, to a hidden file or through a link; spellings cost no memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baaskit.site import Site


def asked(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "headers": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    public = tmp_path / "public"
    (public / "vendor").mkdir(parents=True)
    (public / "index.html").write_text("x")
    (public / "vendor" / "a.js").write_text("x")
    (public / ".env").write_text("secret")
    (public / "vendor" / ".git").mkdir()
    (public / "vendor" / ".git" / "config").write_text("secret")
    (tmp_path / "policies.sql").write_text("secret")
    (tmp_path / "public-other").mkdir()
    (tmp_path / "public-other" / "x.js").write_text("secret")
    (public / "link.sql").symlink_to(tmp_path / "policies.sql")
    (public / "out").symlink_to(tmp_path)
    (public / "loop").symlink_to(public / "loop")
    return public


@pytest.mark.parametrize(
    "path",
    [
        "/../policies.sql", "/vendor/../../policies.sql", "/..", "/.", "/./index.html", "/.env", "/vendor/.git/config", "/link.sql", "/out/policies.sql",
        "/loop", "/loop/x", "/../public-other/x.js", "//etc/passwd", "/etc/passwd", "/\0", "/index.html\0", "/index.html/", "/index.html/x", "/" + "a" * 5000,
        "/" + "a/" * 3000, "/vendor\\..\\..\\policies.sql", "/\ud800", "/vendor", "/INDEX.HTML",
    ],
)  # fmt: skip
def test_what_is_not_a_hosted_file_is_not_there(folder: Path, path: str) -> None:
    assert not Site(folder).has(asked(path))


def test_a_hosted_file_is_there_and_remembered_once_however_it_is_spelled(folder: Path) -> None:
    site = Site(folder)
    for slashes in range(1, 200):
        assert site.has(asked("/vendor" + "/" * slashes + "a.js"))
    assert site.has(asked("/"))
    assert len(site._files) == 2
