import pytest
from pydantic import SecretStr

from cos.app import create_app
from cos.board.navigation import way_on
from cos.settings import Settings
from tests.cos.asgi import client_of

TOKEN = "s3cret-token"
HTML = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://127.0.0.1"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_token": SecretStr(TOKEN)})


@pytest.mark.parametrize(
    ("method", "path", "status", "target"),
    [
        ("GET", "/", 401, "/login"),
        ("GET", "/", 200, None),
        ("GET", "/", 403, None),
        ("GET", "/board/modules", 401, "/login"),
        ("POST", "/board/dead-letters/1/replay", 401, "/login"),
        ("GET", "/cc/modules", 401, None),
        ("GET", "/boardx", 401, None),
        ("GET", "/login", 200, None),
        ("POST", "/login", 200, "/"),
        ("POST", "/login", 401, "/login?problem=401"),
        ("POST", "/login", 429, "/login?problem=429"),
        ("POST", "/logout", 204, "/login"),
        ("POST", "/logout", 503, "/login?problem=503"),
    ],
)
def test_where_a_browser_goes_on(method: str, path: str, status: int, target: str | None) -> None:
    assert way_on(method, path, status) == target


async def test_a_browser_without_a_session_is_sent_to_the_login(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/", headers=HTML)
        form = await client.get(answer.headers["location"], headers=HTML)

    assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/login", b"")
    assert form.status_code == 200
    assert '<form method="post" action="/login"' in form.text


async def test_a_program_is_told_what_is_wrong(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["status"]) == (401, 401)


async def test_a_part_of_an_open_page_is_sent_there_by_a_header(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/board/modules", headers=HTML | {"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


async def test_a_form_opens_the_board_and_another_one_closes_it(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        opened = await client.post("/login", headers=HTML | FORM, content=f"token={TOKEN}")
        board = await client.get("/", headers=HTML)
        closed = await client.post("/logout", headers=HTML | FORM)
        after = await client.get("/", headers=HTML)

    assert (opened.status_code, opened.headers["location"], opened.content) == (303, "/", b"")
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert (board.status_code, "Sign out" in board.text) == (200, True)
    assert (closed.status_code, closed.headers["location"]) == (303, "/login")
    assert (after.status_code, after.headers["location"]) == (303, "/login")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("token=wrong", "This token is not known"),
        ("token=", "The login failed."),
        ("", "The login"),
    ],
)
async def test_a_form_that_fails_says_why(settings: Settings, body: str, words: str) -> None:
    async with client_of(create_app(settings)) as client:
        refused = await client.post("/login", headers=HTML | FORM, content=body)
        page = await client.get(refused.headers["location"], headers=HTML)

    assert refused.status_code == 303
    assert words in page.text
    assert "set-cookie" not in refused.headers


async def test_a_problem_that_nobody_knows_says_no_more_than_that(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        page = await client.get("/login?problem=9", headers=HTML)
        odd = await client.get("/login?problem=<script>", headers=HTML)

    assert "The login failed." in page.text
    assert (odd.status_code, "<script>" in odd.text) == (422, False)


async def test_the_look_of_the_login_is_open_to_all_and_nothing_else_is(settings: Settings) -> None:
    async with client_of(create_app(settings)) as client:
        style = await client.get("/static/board.css")
        outside = await client.get("/static/../pages.py")
        written = await client.post("/static/board.css")

    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert outside.status_code in {401, 404}
    assert written.status_code == 401
