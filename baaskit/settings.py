"""Everything an operator can turn: one frozen `Settings`, read once from `baaskit.toml` and `BAAS_*` variables."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from baaskit.errors import Fault, Faults, nearest

PREFIX = "BAAS_"
Words = Annotated[tuple[str, ...], NoDecode]  # a list in the file, comma-separated in a variable


def _in_state(name: str, scheme: str) -> Any:
    return lambda data: f"{scheme}{data['project_dir'] / '.baaskit' / name}"


class ProviderSettings(BaseModel):
    """One way to sign in with an account elsewhere: a table `[providers.NAME]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(min_length=1, description="Name of this app at the provider.")
    client_secret: SecretStr | None = Field(None, description="Its secret there.")
    issuer: str | None = Field(
        None, description="Address of the provider (its discovery document lies below), or of your own GitHub or GitLab."
    )
    scopes: tuple[str, ...] = Field((), description="What is asked for besides what sign-in needs.")
    audiences: tuple[str, ...] = Field((), description="Further client ids whose ID tokens are accepted: native apps.")
    trust_email: bool = Field(
        False, description="Its addresses are verified although it does not say so. Only for a provider that you run."
    )
    team_id: str = Field("", description="Apple.")
    key_id: str = Field("", description="Apple.")
    private_key: SecretStr | None = Field(None, description="Apple: the .p8 key, from which client secrets are made.")

    @field_validator("issuer", mode="after")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https://[^/@]+(/|$)|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(/|$)", value):
            raise ValueError("must be an address such as https://accounts.example.com")
        return value


# Names of providers whose addresses are known; any other needs an issuer.
KNOWN_PROVIDERS = ("apple", "azure", "discord", "github", "gitlab", "google")


class Settings(BaseSettings):
    """Read by `load_settings`, once; nothing else reads the environment. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", validate_default=True)

    project_dir: Path = Field(Path("."), description="The project's folder. Given on the command line, not in the file.")

    database_url: str = Field(
        default_factory=_in_state("data.db", "sqlite:///"),
        repr=False,
        description="`sqlite:///path` (relative to the project) or `postgresql://user:password@host:port/name`. "
        "Default: `.baaskit/data.db` in the project.",
    )
    database_pool_size: int = Field(10, ge=1, le=500, description="Most connections to PostgreSQL per process.")
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        description="`FULL`: an acknowledged write survives a power cut. `NORMAL`: faster, the last moments may be lost "
        "(the file stays sound).",
    )
    exposed_schemas: Words = Field(("public",), description="Schemas that the data API shows; the first is the default.")
    extra_search_path: Words = Field(("public",), description="Schemas that unqualified names in policies may mean.")
    max_rows: int | None = Field(
        1000,
        ge=1,
        description="Most rows in one answer of the data API; more are cut as if the client had asked for this limit, and paging gets the rest. "
        "A limit by default, because one request without `limit` must not make the server build a table in memory. "
        '`"none"` lifts it.',
    )

    statement_timeout_seconds: float = Field(
        30,
        gt=0,
        description="A read still running after this is cancelled (503, `57014`), in seconds; on PostgreSQL a write's statement, too.",
    )
    aggregates: bool = Field(True, description="The data API may count, sum and average rows (`select=price.avg()`). Off: `PGRST123`.")
    aggregate_timeout_seconds: float = Field(
        5,
        gt=0,
        description="The same for reads with aggregates, in seconds: one short request can make them read a whole table.",
    )
    idempotency_keep_seconds: int = Field(
        86_400, ge=1, description="How long the answer of a write with an `Idempotency-Key` is kept to be given again, in seconds."
    )
    attached: bool = Field(
        False,
        description="The database belongs to others; `baaskit attach` sets it. Nothing of theirs is altered: no migrations, no seed, and "
        "our own tables in one schema (PostgreSQL) or under names that begin with `auth.`, `storage.`, `realtime.`, `baaskit.` (SQLite).",
    )
    capture: Literal["triggers", "polling", "off"] = Field(
        default_factory=lambda data: "off" if data.get("attached") else "triggers",
        description="How changes of tables become events: `triggers` (every committed change), `polling` (tables are read and compared; "
        "what happens between two looks is not seen), `off`. Default: `triggers`; in an attached project `off`.",
    )
    capture_tables: dict[str, Literal["triggers", "polling", "off"]] = Field(
        default_factory=dict, description='The same for single tables: `{ "orders" = "polling", "sales.items" = "triggers" }`.'
    )
    polling_seconds: float = Field(2, ge=0.1, description="How often a polled table is read, in seconds.")
    polling_max_rows: int = Field(
        20_000, ge=1, description="Most rows of a polled table; a larger one is not followed, and the log says so. They are kept in memory."
    )
    uid_type: Literal["uuid", "int8", "text"] = Field(
        "uuid", description="Type of `auth.uid()`: that of the ids in tokens (claim `sub`). A subject of another form owns nothing."
    )

    users_table: str | None = Field(
        None,
        description="The app's own table of users (`customers`, `sales.people`): people sign in by its passwords, and exist as long as their "
        "row does. Sign-up is off, the table is only read, its `users_password` is never shown by any API, its changes are not captured.",
    )
    users_id: str = Field("id", description="Column of `users_table` with the ids, of the type `uid_type`: `auth.uid()` and the user's id.")
    users_login: str = Field(
        "email", description="Column of `users_table` that people name at sign-in (sent as `email`), a name or an address."
    )
    users_password: str = Field(
        "password",
        description="Column of `users_table` with password hashes: argon2, bcrypt, scrypt or PBKDF2, in Django's spelling or the usual one.",
    )
    users_email: str | None = Field(
        None, description="Column of `users_table` with addresses, for `auth.email()`. It is not taken as proven."
    )
    users_active: str | None = Field(
        None, description="Column of `users_table` that is true for those who may sign in. Whoever is not ends at the next refresh."
    )

    host: str = Field("127.0.0.1", description="Address to listen on. `0.0.0.0` opens the server to the network.")
    port: int = Field(54321, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="Address under which clients reach the server, when it stands behind a proxy. Default: `http://host:port`."
    )
    cors_origins: Words = Field(
        ("*",), description="Origins whose pages may call the API. Credentials travel in headers, never in cookies, so `*` is safe."
    )
    max_body_bytes: int = Field(10 * 2**20, ge=1024, description="Largest accepted request body, in bytes (uploads have their own limit).")
    max_connections: int = Field(10_000, ge=1, description="Most WebSocket connections per process.")
    shutdown_seconds: float = Field(5, ge=0, description="How long running requests may finish after SIGTERM, in seconds.")

    jwt_secret: SecretStr | None = Field(
        None,
        description="HS256 secret of the API keys, at least 32 bytes. Default: generated on first start, kept in `.baaskit/keys.json`.",
    )
    access_token_seconds: int = Field(3600, ge=1, description="Life of an access token, in seconds.")
    session_timebox_seconds: int | None = Field(
        None, ge=60, description="Longest life of a session, however busy, in seconds. Default: no limit."
    )
    session_inactivity_seconds: int | None = Field(
        None, ge=60, description="A session that has not been refreshed for so long ends, in seconds. Default: no limit."
    )
    session_single: bool = Field(False, description="Signing in ends the user's other sessions.")
    refresh_reuse_seconds: int = Field(
        10, ge=0, description="For how long a rotated refresh token may be used again (two tabs refreshing at once), in seconds."
    )
    site_url: str = Field("http://localhost:3000", description="Where links in mails and sign-ins lead when a request names no address.")
    redirect_allow: Words = Field(
        (), description="Further addresses that a redirect may lead to; `*` matches within a path segment, `**` any."
    )
    mail_confirm: bool = Field(False, description="New users must confirm their address before the first sign-in. Off: confirmed at once.")
    mail_change_both: bool = Field(
        True, description="With `mail_confirm`: a new address counts only when the old and the new mailbox have both agreed."
    )
    mail_from: str = Field("", description="Sender of mails, like `Shop <no-reply@shop.example>`.")
    smtp_host: str | None = Field(None, description="Mail server. Without one (and without `mail_mailbox`) what needs mail is off.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the connection to the mail server is encrypted: `starttls` (587), `tls` (465) or `none` (a server on this machine).",
    )
    smtp_user: str | None = Field(None, description="User at the mail server, if it wants one.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server. Never in git.")
    mail_mailbox: bool = Field(
        False,
        description="Keep mails and text messages instead of sending them, and show them at `/auth/v1/mailbox` to this machine only. "
        "`baaskit dev` turns it on when there is no `smtp_host`. Never in production.",
    )
    mail_brand: str = Field("", description="Name in mails. Default: the name of the project's folder.")
    mail_brand_color: str = Field("#1f6feb", description="Colour of buttons in mails, as `#rrggbb`.")
    mail_brand_logo: str | None = Field(None, description="Address of a picture above each mail.")
    mail_interval_seconds: int = Field(60, ge=0, description="Least time between two mails (or text messages) to one address, in seconds.")
    mail_limit_per_address: int = Field(
        30, ge=1, description="Most requests that send a mail or a text message from one client address in 5 minutes; then 429."
    )
    otp_seconds: int = Field(3600, ge=30, le=86_400, description="Life of links and codes in mails and text messages, in seconds.")
    otp_digits: int = Field(6, ge=6, le=10, description="Digits of a one-time code.")
    verify_limit_per_address: int = Field(
        60, ge=1, description="Most codes and links tried from one client address in 5 minutes; then 429."
    )
    secure_password_change: bool = Field(
        False, description="A session older than a day changes the password only with a code that `reauthenticate` mails."
    )
    sms_provider: Literal["", "webhook", "mailbox"] = Field(
        "",
        description="Who sends text messages: `webhook` posts to `sms_webhook_url`, `mailbox` only shows them (see `mail_mailbox`); empty: phones are off.",
    )
    sms_webhook_url: str | None = Field(None, description="Where text messages are posted, as JSON `{id, phone, message, code, channel}`.")
    sms_webhook_secret: SecretStr | None = Field(
        None, description="Signs what is posted: `X-Baaskit-Signature: sha256=…` is the HMAC of the body."
    )
    captcha_provider: Literal["", "hcaptcha", "turnstile", "siteverify"] = Field(
        "",
        description="Sign-up, sign-in, recovery and one-time codes need a captcha token of this service; `siteverify`: one at `captcha_url`.",
    )
    captcha_url: str | None = Field(None, description="Where a captcha token is checked, for services that speak `siteverify`.")
    captcha_secret: SecretStr | None = Field(None, description="Secret at the captcha service. Never in git.")
    limits_url: str = Field(
        "memory://",
        repr=False,
        description="Where limits are counted: `memory://` in each process, `redis://host:port/0` for all together (`pip install baaskit[redis]`).",
    )
    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict,
        repr=False,
        description="Sign-in with accounts elsewhere: a table `[providers.google]` with `client_id` and `client_secret` for `apple`, `azure` (Microsoft), "
        "`discord`, `github`, `gitlab`, `google`; any other name needs `issuer`, too. See [add a provider](../howto/add-google.md). In a variable: a JSON object.",
    )
    webauthn_rp_id: str | None = Field(
        None,
        description="Domain that security keys and passkeys belong to; changing it makes them useless. Default: the host of `site_url`.",
    )
    webauthn_origins: Words = Field(
        (), description="Origins of pages that may ask for a security key, like `https://shop.example`. Default: the origin of `site_url`."
    )
    usernames: bool = Field(
        False,
        description="Users may have a unique name (`data.username`), sign in with it in place of the address, and sign up with it alone.",
    )
    disable_signup: bool = Field(
        default_factory=lambda data: bool(data.get("users_table")),
        description="Nobody can sign up; users are created by an admin. Default: `false`; with a `users_table` always `true`.",
    )
    anonymous_users: bool = Field(False, description="Visitors may sign in without an address.")
    password_min_length: int = Field(6, ge=6, le=72, description="Fewest characters of a password.")
    sign_in_limit_per_address: int = Field(
        1000,
        ge=1,
        description="Most sign-ups and sign-ins by password from one client address in 5 minutes; then 429. An office may share one address.",
    )
    sign_in_limit_per_account: int = Field(
        100, ge=1, description="Most wrong passwords for one account in 5 minutes, from all addresses together; then 429."
    )

    sign_in_limit_per_account_and_address: int = Field(
        50, ge=1, description="Most wrong passwords for one account from one client address in 5 minutes; then 429."
    )
    password_required_characters: Literal["", "letters_digits", "lower_upper_digits", "lower_upper_digits_symbols"] = Field(
        "", description="Kinds of characters of which a password needs one each."
    )
    password_min_strength: int = Field(
        0,
        ge=0,
        le=4,
        description="Least strength of a password as zxcvbn guesses it: 0 any, 3 safe against guessing at a sign-in page, 4 very strong.",
    )
    password_breached_file: Path | None = Field(
        None,
        description="File of passwords that are known from breaches and refused: sorted lines of upper-case SHA-1 (`HASH` or `HASH:count`), "
        "as Have I Been Pwned offers them. It is searched in place, not loaded. Relative to the project.",
    )

    storage_url: str = Field(
        default_factory=_in_state("storage", "file://"),
        description="Where uploaded bytes are kept: `file:///path` (or a path relative to the project), `memory://`. "
        "Default: `.baaskit/storage` in the project.",
    )
    max_upload_bytes: int = Field(
        50 * 2**20,
        ge=1,
        description="Largest accepted upload, in bytes; a bucket may set a lower one. The default is that of the hosted service whose clients we "
        "serve; uploads are streamed, so a higher value costs disk, not memory.",
    )

    function_timeout_seconds: float = Field(30, gt=0, description="A function still running after this is killed (504), in seconds.")
    function_memory_bytes: int = Field(512 * 2**20, ge=32 * 2**20, description="Memory of one function process, in bytes.")
    function_workers: int = Field(8, ge=1, le=1000, description="Most function processes at a time.")
    function_secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="Values that functions may declare and read; in a variable: a JSON object. Never in git."
    )

    changes_keep_seconds: int = Field(
        86_400, ge=60, description="How long the change log is kept, so how late a client may resume, in seconds."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return "sqlite" if self.database_url.startswith("sqlite") else "postgresql"

    @property
    def users_table_place(self) -> tuple[str, str]:
        """Schema and name of `users_table`."""
        schema, dot, name = (self.users_table or "").rpartition(".")
        return (schema, name) if dot and self.dialect == "postgresql" else ("public", self.users_table or "")

    def capture_of(self, table: str) -> Literal["triggers", "polling", "off"]:
        """How changes of `table` (`orders`, `sales.items`) are captured. Rows with password hashes go into no log."""
        if self.users_table and table == ".".join(self.users_table_place).removeprefix("public."):
            return "off"
        return self.capture_tables.get(table, self.capture)

    @property
    def state_dir(self) -> Path:
        """Where our own files live: keys, and by default data and blobs."""
        return self.project_dir / ".baaskit"

    @property
    def database_path(self) -> Path:
        """The SQLite file; meaningless on PostgreSQL."""
        return Path(self.database_url.partition("///")[2])

    @property
    def sends_mail(self) -> bool:
        return self.smtp_host is not None or self.mail_mailbox

    @property
    def brand(self) -> str:
        return self.mail_brand or self.project_dir.name

    @property
    def url(self) -> str:
        """Address that clients use, without a slash at the end."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104  (compared, not bound)
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @field_validator("exposed_schemas", "extra_search_path", "cors_origins", "redirect_allow", "webauthn_origins", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value

    @field_validator("project_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.resolve()

    @field_validator("disable_signup", mode="after")
    @classmethod
    def _whose_users(cls, value: bool, info: Any) -> bool:
        if not value and info.data.get("users_table"):
            raise ValueError("with a users_table nobody can sign up here: leave it away")
        return value

    @field_validator("max_rows", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if isinstance(value, str) and value.lower() in ("none", "unlimited", "") else value

    @field_validator("site_url", "public_url", "mail_brand_logo", mode="after")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"[a-z][a-z0-9+.-]*://", value):
            raise ValueError("must be an address such as https://www.example.com")
        return value.rstrip("/") if value else value

    @field_validator("providers", mode="after")
    @classmethod
    def _providers(cls, value: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        for name, given in value.items():
            if not re.fullmatch(r"[a-z][a-z0-9_:-]{0,31}", name) or name in ("email", "phone", "username", "anonymous_users"):
                raise ValueError(f"{name!r} cannot be the name of a provider")
            if given.issuer is None and name not in KNOWN_PROVIDERS:
                raise ValueError(f"{name} needs issuer: the provider's address (known without: {', '.join(KNOWN_PROVIDERS)})")
        return value

    @field_validator("smtp_host", mode="after")
    @classmethod
    def _sender(cls, value: str | None, info: Any) -> str | None:
        if value and "@" not in info.data.get("mail_from", ""):
            raise ValueError("needs mail_from: the sender's address")
        return value or None

    @field_validator("password_breached_file", mode="after")
    @classmethod
    def _breached(cls, value: Path | None, info: Any) -> Path | None:
        if value is None:
            return None
        path: Path = info.data.get("project_dir", Path()) / value
        if not path.is_file():
            raise ValueError("there is no such file")
        return path

    @field_validator("captcha_url", mode="after")
    @classmethod
    def _captcha(cls, value: str | None, info: Any) -> str | None:
        if info.data.get("captcha_provider") == "siteverify" and not re.match(r"https?://", value or ""):
            raise ValueError("must be an address such as https://captcha.example.com/siteverify")
        return value

    @field_validator("limits_url", mode="after")
    @classmethod
    def _limits(cls, value: str) -> str:
        if not re.match(r"memory://|rediss?://", value):
            raise ValueError("must be memory:// or redis://host:port/0")
        return value

    @field_validator("mail_brand_color", mode="after")
    @classmethod
    def _color(cls, value: str) -> str:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError("must be like #1f6feb")
        return value

    @field_validator("sms_webhook_url", mode="after")
    @classmethod
    def _webhook(cls, value: str | None, info: Any) -> str | None:
        if info.data.get("sms_provider") == "webhook" and not re.match(r"https?://", value or ""):
            raise ValueError("must be an address such as https://sms.example.com/send")
        return value

    @field_validator("database_url", mode="after")
    @classmethod
    def _database(cls, value: str, info: Any) -> str:
        scheme, _, rest = value.partition("://")
        if scheme in ("postgres", "postgresql"):
            return f"postgresql://{rest}"
        if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
            raise ValueError("must be sqlite:///path or postgresql://user:password@host:port/name")
        return f"sqlite:///{info.data.get('project_dir', Path()) / rest[1:]}"

    @field_validator("storage_url", mode="after")
    @classmethod
    def _storage(cls, value: str, info: Any) -> str:
        scheme, found, rest = value.partition("://")
        if found and scheme not in ("file", "memory"):
            raise ValueError("must be file:///path, a path, or memory://")
        return value if scheme == "memory" else f"file://{info.data.get('project_dir', Path()) / (rest if found else value)}"

    @field_validator("jwt_secret", mode="after")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError("must be at least 32 bytes; make one with: openssl rand -base64 48")
        return value


def load_settings(project_dir: Path, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings of a project: `overrides` (command line) before `BAAS_*` variables before `baaskit.toml` before defaults.

    Raises `Faults` naming every unknown or wrong value, with its line in the file and the nearest known name.
    """
    environ = os.environ if environ is None else environ
    file = project_dir / "baaskit.toml"
    text = file.read_text() if file.exists() else ""
    given = _parse(text, file)
    known = Settings.model_fields.keys() - {"project_dir"}
    faults = [_unknown_key(key, text, file, known) for key in given if key not in known]
    variables = {name[len(PREFIX) :].lower(): name for name in environ if name.startswith(PREFIX)}
    faults += [_unknown_variable(name, known) for key, name in variables.items() if key not in known]
    if faults:
        raise Faults(faults)
    from_file = {key: value for key, value in given.items() if key not in variables}
    from_environ = {key: environ[name] for key, name in variables.items()}
    for key in ("function_secrets", "capture_tables", "providers"):
        if key in from_environ:
            from_environ[key] = _json_object(key, from_environ[key])
    wanted = {key: value for key, value in overrides.items() if value is not None}
    try:
        return Settings(**{**from_file, **from_environ, "project_dir": project_dir, **wanted})
    except ValidationError as error:
        raise Faults(
            [_wrong_value(e, variables, text, file) for e in error.errors() if e["type"] != "default_factory_not_called"]
        ) from None


def _json_object(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise Faults([Fault(f"{PREFIX}{key.upper()} is not a JSON object", line=0, hint='Write it like {"NAME": "value"}.')]) from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (1, 1)
        lines = text.splitlines()
        excerpt = lines[line - 1] if line <= len(lines) else ""
        raise Faults([Fault(str(error).split(" (at")[0], file=str(file), line=line, column=column, excerpt=excerpt)]) from None


def _unknown_key(key: str, text: str, file: Path, known: Any) -> Fault:
    near = nearest(key, known)
    hint = f"Perhaps you meant {near!r}." if near else "docs/reference/settings.md lists every setting."
    return Fault(f"unknown setting {key!r}", file=str(file), hint=hint, **_place(key, text))


def _unknown_variable(name: str, known: Any) -> Fault:
    near = nearest(name[len(PREFIX) :].lower(), known)
    hint = f"Perhaps you meant {PREFIX}{near.upper()}." if near else "docs/reference/settings.md lists every setting."
    return Fault(f"unknown environment variable {name}", line=0, hint=hint)


def _wrong_value(error: Any, variables: Mapping[str, str], text: str, file: Path) -> Fault:
    """The given value is never shown: it may be a secret."""
    key = str(error["loc"][0]) if error["loc"] else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    if key in variables:
        return Fault(f"{variables[key]}: {message}", line=0)
    return Fault(f"{key}: {message}", file=str(file), **_place(key, text))


def _place(key: str, text: str) -> dict[str, Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"""\s*\[?\s*["']?{re.escape(key)}\b""", line):
            shown = line if "secret" not in key and "url" not in key else ""
            return {"line": number, "column": len(line) - len(line.lstrip()) + 1, "excerpt": shown}
    return {"line": 0}
