"""Settings: where values come from, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from baaskit.errors import Faults
from baaskit.settings import PREFIX, Settings, load_settings


def write(folder: Path, text: str) -> Path:
    (folder / "baaskit.toml").write_text(text)
    return folder


def test_a_project_without_a_file_gets_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    assert settings.database_url == f"sqlite:///{tmp_path}/.baaskit/data.db"
    assert settings.database_path == tmp_path / ".baaskit/data.db"
    assert settings.storage_url == f"file://{tmp_path}/.baaskit/storage"
    assert (settings.dialect, settings.port, settings.url) == ("sqlite", 54321, "http://127.0.0.1:54321")


def test_the_command_line_wins_over_variables_and_those_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'port = 1000\nhost = "localhost"\nmax_body_bytes = 5000')
    settings = load_settings(tmp_path, {"BAAS_PORT": "2000", "BAAS_HOST": "::1", "PATH": "/bin"}, port=3000, host=None)
    assert (settings.port, settings.host, settings.max_body_bytes) == (3000, "::1", 5000)
    assert settings.url == "http://[::1]:3000"


def test_lists_are_arrays_in_the_file_and_comma_separated_in_a_variable(tmp_path: Path) -> None:
    write(tmp_path, 'cors_origins = ["http://a.example"]')
    settings = load_settings(tmp_path, {"BAAS_REDIRECT_ALLOW": "http://a.example/*, http://b.example"})
    assert settings.cors_origins == ("http://a.example",)
    assert settings.redirect_allow == ("http://a.example/*", "http://b.example")


def test_relative_paths_belong_to_the_project(tmp_path: Path) -> None:
    write(tmp_path, 'database_url = "sqlite:///state/my.db"\nstorage_url = "blobs"')
    settings = load_settings(tmp_path, {})
    assert settings.database_path == tmp_path / "state/my.db"
    assert settings.storage_url == f"file://{tmp_path}/blobs"


def test_the_row_limit_can_be_lifted(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"BAAS_MAX_ROWS": "none"}).max_rows is None
    assert load_settings(tmp_path, {}).max_rows == 1000


def test_unknown_names_are_all_reported_at_once_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, '# shop\nprot = 1000\nsite_url = "http://a.example"')
    with pytest.raises(Faults) as caught:
        load_settings(tmp_path, {"BAAS_DATABASE_URI": "x", "BAAS_ZZZZ": "1"})
    text = str(caught.value)
    assert len(caught.value.faults) == 3
    assert f"{tmp_path}/baaskit.toml:2:1: unknown setting 'prot'" in text
    assert "Perhaps you meant 'port'." in text
    assert "unknown environment variable BAAS_DATABASE_URI" in text
    assert "BAAS_DATABASE_URL" in text
    assert "docs/reference/settings.md" in text


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("BAAS_PORT", "99999", "less than or equal to 65535"),
        ("BAAS_JWT_SECRET", "too-short-secret", "at least 32 bytes"),
        ("BAAS_DATABASE_URL", "mysql://root:hunter2@h/db", "must be sqlite:///path or postgresql://"),
        ("BAAS_STORAGE_URL", "ftp://x", "must be file:///path"),
        ("BAAS_SITE_URL", "nowhere.test", "must be an address"),
        ("BAAS_MAIL_CONFIRM", "perhaps", "boolean"),
        ("BAAS_FUNCTION_SECRETS", "oops", "not a JSON object"),
    ],
)
def test_a_wrong_value_names_its_variable_and_never_shows_the_value(tmp_path: Path, variable: str, value: str, words: str) -> None:
    with pytest.raises(Faults) as caught:
        load_settings(tmp_path, {variable: value})
    assert variable in str(caught.value)
    assert words in str(caught.value)
    assert value not in str(caught.value)


def test_a_wrong_value_in_the_file_names_its_line(tmp_path: Path) -> None:
    write(tmp_path, "host = 'localhost'\nport = 'many'")
    with pytest.raises(Faults) as caught:
        load_settings(tmp_path, {})
    assert f"{tmp_path}/baaskit.toml:2:1: port: " in str(caught.value)


def test_a_file_that_is_not_toml_names_the_place(tmp_path: Path) -> None:
    write(tmp_path, "port = 1\nhost = \n")
    with pytest.raises(Faults, match=r"baaskit.toml:2:\d"):
        load_settings(tmp_path, {})


def test_settings_cannot_be_changed_and_never_print_secrets(tmp_path: Path) -> None:
    environ = {"BAAS_DATABASE_URL": "postgresql://u:hunter2@h/db", "BAAS_JWT_SECRET": "s" * 40, "BAAS_FUNCTION_SECRETS": '{"A": "hush"}'}
    settings = load_settings(tmp_path, environ)
    assert settings.dialect == "postgresql"
    assert not any(secret in repr(settings) for secret in ("hunter2", "s" * 40, "hush"))
    with pytest.raises(Exception, match="frozen"):
        settings.port = 1


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    page = Path(__file__).parents[1].joinpath("docs/reference/settings.md").read_text()
    for name, field in Settings.model_fields.items():
        if name == "project_dir":
            continue
        assert f"| `{name}` | `{PREFIX}{name.upper()}` |" in page
        assert field.description
        assert field.description.replace("|", "\\|") in page
