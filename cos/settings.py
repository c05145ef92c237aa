"""The configuration of the control center: environment variables, and nothing else.

``DATABASE_URL`` and ``REDIS_URL`` carry no prefix, everything else starts with ``COS_``. Durations
are seconds, lists are separated by commas. A variable that is set but empty counts as not set.
"""

import re
from ipaddress import ip_network
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

__all__ = ["DatabaseSettings", "HealthSettings", "Settings", "SettingsError", "load"]

PREFIX: Final = "COS_"
DRIVER: Final = "postgresql+psycopg"
DATABASE_SCHEMES: Final = {"postgres", "postgresql", DRIVER}
REDIS_SCHEMES: Final = {"redis", "rediss", "unix"}
# Variables whose values are never repeated, and what a good one looks like.
SECRETS: Final = {
    "DATABASE_URL": "postgresql://USER:PASSWORD@127.0.0.1:5432/cos",
    "REDIS_URL": "redis://:PASSWORD@127.0.0.1:6379/0",
    "COS_API_TOKEN": "$(python -c 'import secrets; print(secrets.token_urlsafe(32))')",
}
# What else a good value looks like, where the default is none.
EXAMPLES: Final = {
    "COS_ALLOWED_HOSTS": "cos.example,192.0.2.7",
    "COS_ALLOWED_ORIGINS": "https://board.example",
    "COS_TRUSTED_PROXIES": "127.0.0.1",
}
HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\])"
LAST_PORT: Final = 65_535
DAY: Final = 86_400

PoolSize = Annotated[int, Field(ge=1, le=200)]
Seconds = Annotated[float, Field(gt=0, le=DAY, allow_inf_nan=False)]
# For what is kept: up to ten years.
LongSeconds = Annotated[float, Field(gt=0, le=3_650 * DAY, allow_inf_nan=False)]


def _database_url(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise ValueError("it is no URL")
    if scheme not in DATABASE_SCHEMES:
        raise ValueError(
            f"it names the driver {scheme!r}, and this service speaks psycopg 3 only"
            " (postgresql://, postgres:// or postgresql+psycopg://)"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The parser's own message may quote a piece of the password.
        raise ValueError(
            "it cannot be parsed; a password with / @ : # or % in it must be percent-encoded"
        ) from None
    if not url.database:
        raise ValueError("it names no database; the name stands after the last slash")
    return SecretStr(url.set(drivername=DRIVER).render_as_string(hide_password=False))


def _redis_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError:
        port_is_readable = False
    if not port_is_readable:
        raise ValueError(
            "it cannot be parsed; a password with / @ : # or % in it must be percent-encoded"
        )
    if parts.scheme not in REDIS_SCHEMES:
        raise ValueError(f"its scheme is {parts.scheme!r}, and it must be redis, rediss or unix")
    # redis-py falls back to database 0 without a word when the path is no number.
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ValueError("the path after the port must be the number of a database, as in /0")
    return secret


def _api_token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("an HTTP header carries it: printable ASCII without spaces only")
    return secret


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _host_name(text: str) -> str:
    if not re.fullmatch(HOST, text):
        raise ValueError(
            f"{text!r} is no name or address of a host; ports and * do not belong there, and an"
            " IPv6 address stands in brackets"
        )
    return text


def _origin(text: str) -> str:
    found = re.fullmatch(rf"https?://{HOST}(?::([0-9]{{1,5}}))?", text)
    if found is None or int(found[1] or 0) > LAST_PORT:
        raise ValueError(
            f"{text!r} is no origin: http or https, a host and perhaps a port, without a path"
        )
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address or network") from None


Listed = (NoDecode, BeforeValidator(_listed))


class DatabaseSettings(BaseSettings):
    """What is needed to reach Postgres; enough for ``migrate``.

    The URL is kept as ``postgresql+psycopg://…`` whatever synonym was given, and serves synchronous
    and asynchronous engines alike.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        validation_alias="DATABASE_URL"
    )
    database_pool_size: PoolSize = 10
    database_pool_timeout: Seconds = 5.0
    connect_timeout: Annotated[int, Field(ge=2, le=600)] = 5
    statement_timeout: Seconds = 10.0
    lock_timeout: Seconds = 3.0
    idle_in_transaction_timeout: Seconds = 30.0

    @property
    def sqlalchemy_url(self) -> URL:
        """The database address, parsed; its ``str`` hides the password."""
        return make_url(self.database_url.get_secret_value())

    @property
    def database_address(self) -> str:
        """Where the database is, without user and password: ``HOST:PORT/NAME``."""
        url = self.sqlalchemy_url
        return f"{url.host or 'local socket'}:{url.port or 5432}/{url.database}"


class HealthSettings(DatabaseSettings):
    """What is needed to judge the health of what the database holds; enough for ``health``."""

    offline_after: Seconds = 60.0


class Settings(HealthSettings):
    """Everything the service needs.

    ``api_token`` opens everything, beside the tokens in the database. ``allowed_hosts`` are the
    names, beside those of this machine, under which the service is reached; ``allowed_origins`` the
    origins, beside its own, whose pages may change something. ``trusted_proxies`` are the addresses
    whose X-Forwarded-For and X-Forwarded-Proto are believed. ``body_timeout`` is how long the body
    of a request may take to arrive.
    """

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = Field(
        validation_alias="REDIS_URL"
    )
    redis_pool_size: PoolSize = 10
    redis_timeout: Seconds = 2.0
    api_token: Annotated[SecretStr, AfterValidator(_api_token)] | None = None
    allowed_hosts: Annotated[tuple[Annotated[str, AfterValidator(_host_name)], ...], *Listed] = ()
    allowed_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], *Listed] = ()
    trusted_proxies: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], *Listed] = ()
    body_timeout: Seconds = 10.0
    watch_interval: Annotated[Seconds, Field(ge=1)] = 1.0
    health_retention: LongSeconds = 7.0 * DAY
    ready_timeout: Seconds = 2.0
    shutdown_delay: Annotated[float, Field(ge=0, le=600)] = 0.0
    event_batch: Annotated[int, Field(ge=1, le=1_000)] = 100
    event_poll_interval: Seconds = 1.0
    event_check_interval: Seconds = 5.0
    event_stream_length: Annotated[int, Field(ge=100, le=100_000)] = 10_000
    event_retention: LongSeconds = 7.0 * DAY
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    log_format: Literal["json", "text"] = "text"

    @property
    def secrets(self) -> list[str]:
        """What no log line may show, as it is written: the API token and passwords."""
        found = [
            self.sqlalchemy_url.password,
            urlsplit(self.redis_url.get_secret_value()).password,
            None if self.api_token is None else self.api_token.get_secret_value(),
        ]
        return [secret for secret in found if secret]

    @property
    def redis_address(self) -> str:
        """Where Redis is, without user and password: ``HOST:PORT/NUMBER`` or the socket's path."""
        url = urlsplit(self.redis_url.get_secret_value())
        if url.scheme == "unix":
            return url.path
        return f"{url.hostname or 'localhost'}:{url.port or 6379}/{url.path.strip('/') or 0}"


class SettingsError(Exception):
    """The environment does not configure the service; ``str`` says which variables and what to do.

    No secret is in the text, and no exception that holds one is chained to it.
    """


AnySettings = TypeVar("AnySettings", bound=DatabaseSettings)


def load(kind: type[AnySettings]) -> AnySettings:
    """Read ``kind`` from the environment; raise `SettingsError` when that fails."""
    try:
        return kind()  # type: ignore[call-arg]  # the environment gives them
    except ValidationError as error:
        message = "\n\n".join(
            _explained(kind, str(detail["loc"][0]), detail["msg"], detail["input"])
            for detail in error.errors(include_url=False)
        )
    # Outside of the handler: a chained exception would carry the values along.
    raise SettingsError(message)


def _explained(kind: type[DatabaseSettings], name: str, reason: str, given: object) -> str:
    field = kind.model_fields.get(name)
    variable = name if field is None else PREFIX + name.upper()
    if variable in SECRETS:
        shown, example = "", SECRETS[variable]
    else:
        shown = f"={given}"
        example = "" if field is None else EXAMPLES.get(variable, str(field.default))
    if reason == "Field required":
        happened = f"{variable} is not set in the environment of this process."
        usually = "the shell, unit file or container that starts the service does not export it."
    else:
        happened = f"{variable}{shown} in the environment of this process cannot be used: "
        happened += reason.removeprefix("Value error, ") + "."
        usually = "a typing error, or a value meant for another driver or in another unit."
    return f"{happened}\n  Usually: {usually}\n  Run now: export {variable}={example}"
