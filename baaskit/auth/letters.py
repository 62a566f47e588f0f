"""The words of mails and text messages: Jinja templates, ours or the project's own in its folder `mail/`.

Each kind has `KIND.txt`, whose first line is `Subject: …`, and `KIND.html`; `layout.html` is what the HTML ones share.
A text message has `KIND.txt` alone, without a subject. The project's folder wins file by file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baaskit.auth.codes import Kind
from baaskit.observe import fact
from baaskit.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = "mail"  # in the project
TEXT_MESSAGES = (Kind.SMS, Kind.PHONE_CHANGE, Kind.REAUTHENTICATION_SMS)

# What a template may use, with the values of a preview.
SAMPLE: dict[str, Any] = {
    "confirmation_url": "https://example.com/auth/v1/verify?token=sample&type=signup", "token": "123456", "token_hash": "sample",
    "email": "ada@example.com", "new_email": "ada@lovelace.org", "site_url": "https://example.com", "redirect_to": "https://example.com/welcome",
    "data": {"name": "Ada"}, "brand": "Example", "brand_color": "#1f6feb", "brand_logo": None, "minutes": 60,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letter:
    """`html` is empty for a text message."""

    subject: str
    text: str
    html: str


def write(settings: Settings, kind: Kind, values: Mapping[str, Any]) -> Letter:
    """The letter of `kind`. A project's template that fails is reported and ours is used: mail about an account must go out."""
    own = settings.project_dir / FOLDER
    try:
        return _fill(_environment(str(own)), kind, values)
    except Exception as problem:
        if not own.is_dir():
            raise
        fact("mail.template_failed", kind=kind.value, error=repr(problem))
        return _fill(_environment(None), kind, values)


def preview(settings: Settings, kind: Kind) -> Letter:
    """The letter with sample values. Raises jinja2.TemplateError with the template's fault."""
    values = {**SAMPLE, "brand": settings.brand, "brand_color": settings.mail_brand_color, "brand_logo": settings.mail_brand_logo}
    return _fill(_environment(str(settings.project_dir / FOLDER)), kind, values)


def copy_templates(project: Path) -> list[Path]:
    """Write our templates into the project, to be edited. A file that exists is left as it is; returns those written."""
    target = project / FOLDER
    target.mkdir(exist_ok=True)
    written = []
    for source in sorted(_ours().iterdir()):
        if not (target / source.name).exists():
            (target / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
            written.append(target / source.name)
    return written


def _fill(environment: Environment, kind: Kind, values: Mapping[str, Any]) -> Letter:
    text = environment.get_template(f"{kind.value}.txt").render(values).strip()
    if kind in TEXT_MESSAGES:
        return Letter("", text, "")
    first, _, body = text.partition("\n")
    label, found, subject = first.partition(":")
    if not found or label.strip().lower() != "subject":
        raise ValueError(f"{kind.value}.txt must begin with a line such as  Subject: Confirm your address")
    # One line, whatever a name or an address holds: a header must not become two.
    return Letter(" ".join(subject.split()), body.strip() + "\n", environment.get_template(f"{kind.value}.html").render(values))


@cache
def _environment(own: str | None) -> Environment:
    """Sandboxed: a template says how a letter looks and reaches nothing of the server."""
    from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
    from jinja2.sandbox import SandboxedEnvironment

    folders = [*([own] if own else []), str(_ours())]
    return SandboxedEnvironment(
        loader=FileSystemLoader(folders), autoescape=select_autoescape(["html"]), undefined=StrictUndefined, keep_trailing_newline=True
    )


def _ours() -> Path:
    return Path(str(files("baaskit"))) / "auth" / "templates"
