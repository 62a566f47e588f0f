"""Write docs/reference/cli.md from the commands of `baaskit`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from typer.main import get_command

from baaskit.cli import cli

HEAD = """# Command line

Written by `scripts/cli_page.py` from `baaskit/cli.py`.

`DIR` is the project's folder; without it, the current one. A fault is told on standard error, and the exit code is 1.
With `--json` standard output holds JSON only, for programs.

`baaskit dev` and `baaskit serve` with `--json` print one line when the first request can be answered:

```json
{"event": "ready", "url": "…", "anon_key": "…", "service_role_key": "…", "console_url": "…"}
```

They end cleanly, with exit code 0, on SIGTERM and SIGINT: requests under way may finish within `shutdown_seconds`.

"""


def page() -> str:
    return HEAD + "\n".join(_section(name, command) for name, command in commands())


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, as `(words after baaskit, command)`, in the order of `--help`."""
    return _walk(get_command(cli), ())


def _walk(command: Any, words: tuple[str, ...]) -> list[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        return [(" ".join(words), command)]
    return [found for name, child in command.commands.items() for found in _walk(child, (*words, name))]


def _section(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    shown = " ".join(_metavar(a) if a.required else f"[{_metavar(a)}]" for a in arguments)
    words, _, example = " ".join((command.help or "").split()).partition("Example: ")
    lines = [f"## baaskit {name} {shown}".rstrip(), "", words.strip(), ""]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    if options:
        lines += ["| option | meaning |", "|---|---|", *(_row(option) for option in options), ""]
    if example:
        lines += ["```sh", example.strip(), "```", ""]
    return "\n".join(lines)


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name).upper().strip("{}")


def _row(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *getattr(option, "secondary_opts", ())))
    kind = option.type_descriptor.annotation
    choices = [choice.value for choice in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    values = f" One of `{'`, `'.join(choices)}`; default `{option.default.value}`." if choices else ""
    return f"| {names} | {option.help or ''}{values} |"


if __name__ == "__main__":
    Path(__file__).parents[1].joinpath("docs/reference/cli.md").write_text(page())
