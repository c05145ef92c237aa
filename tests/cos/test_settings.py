import pickle

import pytest
from pydantic import ValidationError

from cos.api.access.authority import Authority, Origin
from cos.settings import EXAMPLES, DatabaseSettings, Settings, SettingsError, load

PASSWORD = "hunter2"
DATABASE = f"postgresql://ada:{PASSWORD}@db.example:6543/cos"
HOSTS = ("cos.example", "[::1]", "192.0.2.7")
ORIGINS = ("https://a.example:8443",)
NETWORKS = ("127.0.0.1/32", "10.0.0.0/8")
REDIS = f"redis://:{PASSWORD}@redis.example:6380/3"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing but two good addresses."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"COS_{field.upper()}", raising=False)
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    monkeypatch.setenv("REDIS_URL", REDIS)
    return monkeypatch


def _refusal(kind: type[DatabaseSettings] = Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        load(kind)
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_name_of_postgres_means_psycopg_3(
    environment: pytest.MonkeyPatch, scheme: str
) -> None:
    environment.setenv("DATABASE_URL", DATABASE.replace("postgresql", scheme))
    url = load(Settings).sqlalchemy_url

    assert url.render_as_string(hide_password=False) == DATABASE.replace("://", "+psycopg://")


@pytest.mark.parametrize(
    "scheme",
    [
        "postgresql+asyncpg",
        "postgresql+psycopg2",
        "postgresql+psycopg_async",
        "postgresql+pg8000",
        "mysql",
        "sqlite",
        "POSTGRESQL",
        "http",
    ],
)
def test_any_other_driver_is_refused_by_name(environment: pytest.MonkeyPatch, scheme: str) -> None:
    environment.setenv("DATABASE_URL", DATABASE.replace("postgresql", scheme))
    message = _refusal()

    assert "psycopg 3" in message
    assert PASSWORD not in message


@pytest.mark.parametrize(
    "url",
    [
        PASSWORD,
        f"{PASSWORD}://x",
        f"postgresql:/{PASSWORD}",
        f"postgresql://ada:{PASSWORD}@db:port{PASSWORD}/cos",
        f"postgresql://ada:{PASSWORD}@db",
        f"postgresql://ada:{PASSWORD}@db/",
        f"postgresql://{PASSWORD}",
    ],
)
def test_a_database_address_that_cannot_be_used_is_refused_without_showing_it(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("DATABASE_URL", url)
    message = _refusal()

    assert message.startswith("DATABASE_URL in the environment of this process cannot be used: ")
    assert "Run now: export DATABASE_URL=postgresql://" in message
    assert url not in message


def test_a_password_with_special_characters_survives(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgres://ada:p%40ss%2F%3A%25@db/cos?sslmode=require")
    url = load(Settings).sqlalchemy_url

    assert (url.password, url.query) == ("p@ss/:%", {"sslmode": "require"})


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost/",
        "redis://localhost:6380/15",
        "rediss://u:p@host/0",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_redis_address_is_kept(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("REDIS_URL", url)

    assert load(Settings).redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        PASSWORD,
        f"http://{PASSWORD}@host",
        f"redis://:{PASSWORD}@host:{PASSWORD}/0",
        f"redis://:{PASSWORD}@host:0/0",
        f"redis://:{PASSWORD}@host:70000/0",
        f"redis://:{PASSWORD}@host/main",
        f"redis://:{PASSWORD}@host/-1",
        f"redis://:{PASSWORD}@[host/0",
    ],
)
def test_a_redis_address_that_cannot_be_used_is_refused_without_showing_it(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("REDIS_URL", url)
    message = _refusal()

    assert message.startswith("REDIS_URL in the environment of this process cannot be used: ")
    assert url not in message
    assert f":{PASSWORD}" not in message


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_address_says_what_to_set(
    environment: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    environment.delenv(variable)
    if value is not None:
        environment.setenv(variable, value)
    lines = _refusal().splitlines()

    assert lines[0] == f"{variable} is not set in the environment of this process."
    assert lines[1].startswith("  Usually: ")
    assert lines[2].startswith(f"  Run now: export {variable}=")


def test_every_fault_is_told_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("REDIS_URL", "x")
    environment.setenv("COS_OFFLINE_AFTER", "soon")
    message = _refusal()

    assert [
        name in message for name in ("DATABASE_URL", "REDIS_URL", "COS_OFFLINE_AFTER=soon")
    ] == [True] * 3


def test_a_migration_needs_no_redis(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")

    assert load(DatabaseSettings).sqlalchemy_url.database == "cos"


def test_an_argument_wins_over_the_environment() -> None:
    settings = Settings.model_validate({"database_url": "postgresql://other/one"})

    assert (settings.sqlalchemy_url.host, settings.redis_url.get_secret_value()) == ("other", REDIS)


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("COS_OFFLINE_AFTER", "90", "offline_after", 90.0),
        ("COS_OFFLINE_AFTER", "0.5", "offline_after", 0.5),
        ("COS_WATCH_INTERVAL", "1", "watch_interval", 1.0),
        ("COS_SHUTDOWN_DELAY", "0", "shutdown_delay", 0.0),
        ("COS_HEALTH_RETENTION", "315360000", "health_retention", 315_360_000.0),
        ("COS_EVENT_BATCH", "1000", "event_batch", 1_000),
        ("COS_EVENT_RETENTION", "315360000", "event_retention", 315_360_000.0),
        ("COS_DATABASE_POOL_SIZE", "3", "database_pool_size", 3),
        ("COS_REDIS_POOL_SIZE", "200", "redis_pool_size", 200),
        ("COS_STATEMENT_TIMEOUT", "1.5", "statement_timeout", 1.5),
        ("COS_LOG_LEVEL", "debug", "log_level", "debug"),
        ("cos_log_level", "error", "log_level", "error"),
        ("COS_API_TOKEN", "", "api_token", None),
        ("COS_LOG_FORMAT", "json", "log_format", "json"),
        ("COS_BODY_TIMEOUT", "0.5", "body_timeout", 0.5),
        ("COS_ALLOWED_HOSTS", "", "allowed_hosts", ()),
        ("COS_ALLOWED_HOSTS", "cos.example, [::1],,192.0.2.7 ", "allowed_hosts", HOSTS),
        ("COS_ALLOWED_ORIGINS", "https://a.example:8443", "allowed_origins", ORIGINS),
        ("COS_TRUSTED_PROXIES", "127.0.0.1,10.1.2.3/8", "trusted_proxies", NETWORKS),
    ],
)
def test_a_variable_sets_its_field(
    environment: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    environment.setenv(variable, value)

    assert getattr(load(Settings), field) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COS_OFFLINE_AFTER", "0"),
        ("COS_OFFLINE_AFTER", "-1"),
        ("COS_OFFLINE_AFTER", "nan"),
        ("COS_OFFLINE_AFTER", "inf"),
        ("COS_OFFLINE_AFTER", "1e300"),
        ("COS_WATCH_INTERVAL", "0.9"),
        ("COS_WATCH_INTERVAL", "86401"),
        ("COS_HEALTH_RETENTION", "0"),
        ("COS_HEALTH_RETENTION", "315360001"),
        ("COS_EVENT_BATCH", "0"),
        ("COS_EVENT_BATCH", "1001"),
        ("COS_EVENT_POLL_INTERVAL", "0"),
        ("COS_EVENT_CHECK_INTERVAL", "86401"),
        ("COS_EVENT_STREAM_LENGTH", "99"),
        ("COS_EVENT_RETENTION", "0"),
        ("COS_EVENT_RETENTION", "315360001"),
        ("COS_SHUTDOWN_DELAY", "-1"),
        ("COS_DATABASE_POOL_SIZE", "0"),
        ("COS_DATABASE_POOL_SIZE", "201"),
        ("COS_REDIS_POOL_SIZE", "many"),
        ("COS_CONNECT_TIMEOUT", "1"),
        ("COS_LOCK_TIMEOUT", "0"),
        ("COS_READY_TIMEOUT", "-0.1"),
        ("COS_LOG_LEVEL", "loud"),
        ("COS_LOG_FORMAT", "xml"),
        ("COS_BODY_TIMEOUT", "0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_value_and_a_good_one(
    environment: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    environment.setenv(variable, value)
    message = _refusal()
    default = Settings.model_fields[variable.removeprefix("COS_").lower()].default

    assert message.startswith(f"{variable}={value} in the environment of this process cannot")
    assert message.endswith(f"Run now: export {variable}={default}")


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("COS_ALLOWED_HOSTS", "cos.example,*", "*"),
        ("COS_ALLOWED_HOSTS", "cos.example:80", "cos.example:80"),
        ("COS_ALLOWED_HOSTS", "::1", "::1"),
        ("COS_ALLOWED_HOSTS", "https://cos.example", "https://cos.example"),
        ("COS_ALLOWED_ORIGINS", "*", "*"),
        ("COS_ALLOWED_ORIGINS", "cos.example", "cos.example"),
        ("COS_ALLOWED_ORIGINS", "https://cos.example/", "https://cos.example/"),
        ("COS_ALLOWED_ORIGINS", "https://cos.example,null", "null"),
        ("COS_ALLOWED_ORIGINS", "https://cos.example:65536", "https://cos.example:65536"),
        ("COS_TRUSTED_PROXIES", "*", "*"),
        ("COS_TRUSTED_PROXIES", "proxy.example", "proxy.example"),
    ],
)
def test_a_list_with_a_wrong_part_is_refused_with_that_part_and_an_example(
    environment: pytest.MonkeyPatch, variable: str, value: str, wrong: str
) -> None:
    environment.setenv(variable, value)
    message = _refusal()

    assert message.startswith(f"{variable}")
    assert repr(wrong) in message
    assert message.endswith(f"Run now: export {variable}={EXAMPLES[variable]}")


@pytest.mark.parametrize("text", ["cos.example", "A-b_c.9", "192.0.2.7", "[2001:db8::7]", "x"])
def test_what_settings_allow_the_checks_can_read(text: str) -> None:
    settings = Settings.model_validate(
        {"allowed_hosts": text, "allowed_origins": f"http://{text}:8000"}
    )

    assert [Authority.parse(host) is not None for host in settings.allowed_hosts] == [True]
    assert [Origin.parse(each) is not None for each in settings.allowed_origins] == [True]


def test_the_secrets_are_named_as_they_are_written(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COS_API_TOKEN", "s3cret-token")

    assert load(Settings).secrets == [PASSWORD, PASSWORD, "s3cret-token"]


@pytest.mark.parametrize("token", ["two words", "tab\t", "é", "\x7f", "new\nline"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(
    environment: pytest.MonkeyPatch, token: str
) -> None:
    environment.setenv("COS_API_TOKEN", token)
    message = _refusal()

    assert message.startswith("COS_API_TOKEN in the environment of this process cannot be used")
    assert token not in message


def test_no_secret_shows_in_a_repr_or_a_dump(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COS_API_TOKEN", PASSWORD)
    settings = load(Settings)
    shown = f"{settings!r} {settings!s} {settings.model_dump()} {settings.model_dump_json()}"
    addresses = f"{settings.database_address} {settings.redis_address} {settings.sqlalchemy_url}"

    assert PASSWORD not in shown + addresses
    assert addresses.startswith("db.example:6543/cos redis.example:6380/3 ")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_no_secret_shows_in_a_validation_error(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    environment.setenv(variable, f"nonsense:{PASSWORD}")
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({})

    assert PASSWORD not in f"{caught.value} {caught.value!r}"


def test_no_secret_is_chained_to_a_settings_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", f"nonsense:{PASSWORD}")
    with pytest.raises(SettingsError) as caught:
        load(Settings)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", "h:6379/0"),
        ("redis://u:p@h:1/2", "h:1/2"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("redis://", "localhost:6379/0"),
    ],
)
def test_a_redis_address_is_shown_without_its_secrets(
    environment: pytest.MonkeyPatch, url: str, address: str
) -> None:
    environment.setenv("REDIS_URL", url)

    assert load(Settings).redis_address == address


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    settings = load(Settings)

    with pytest.raises(ValidationError, match="frozen"):
        settings.offline_after = 1.0


def test_settings_can_be_sent_to_another_process() -> None:
    settings = load(Settings)

    assert pickle.loads(pickle.dumps(settings)) == settings
