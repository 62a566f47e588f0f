"""Write docs/reference/settings.md from the fields of `Settings`."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from baaskit.settings import PREFIX, Settings

HEAD = """# Settings

Written by `scripts/settings_page.py` from `baaskit/settings.py`.

A setting is a line of `baaskit.toml` or an environment variable; the variable wins, and `--host`/`--port` win over both.
Lists are arrays in the file and comma-separated in a variable. An unknown name is an error that names the nearest.

| in `baaskit.toml` | variable | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "project_dir":
            continue
        default = field.default
        if default is PydanticUndefined or default is None:
            shown = ""
        elif isinstance(default, tuple):
            shown = f"`[{', '.join(repr(v) for v in default)}]`"
        else:
            shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {meaning} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(__file__).parents[1].joinpath("docs/reference/settings.md").write_text(page())
