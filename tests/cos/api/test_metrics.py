import asyncio
import logging
from collections.abc import Iterable
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from cos.api.metrics import Metrics, Source
from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class _Some:
    """A source that was added by some other part."""

    async def collect(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("some_figure", "Of a test.", 7)]


class _Broken:
    async def collect(self) -> Iterable[Metric]:
        raise LookupError("something about it")


class _Silent:
    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def collect(self) -> Iterable[Metric]:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return []


def _samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


async def _scraped(client: AsyncClient) -> Samples:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return _samples(answer.text)


async def test_requests_are_counted_and_timed_by_the_template_of_their_route(app: FastAPI) -> None:
    async with client_of(app) as client:
        for number in range(3):
            await client.get(f"/cc/modules/{UUID(int=number)}")
        await client.get("/cc/modules")
        await client.put("/cc/modules")
        await client.get("/cc/nowhere/at/all")
        await client.request("BREW", "/cc/modules")
        samples = await _scraped(client)
    counted = {key: value for key, value in samples.items() if key[0] == "cos_http_requests_total"}
    one = "/cc/modules/{module_id}"
    name = "cos_http_requests_total"
    seconds = "cos_http_request_duration_seconds_count"

    assert _value(samples, name, route=one, method="GET", status="404") == 3
    assert _value(samples, name, route="/cc/modules", method="GET", status="200") == 1
    assert _value(samples, name, route="/cc/modules", method="PUT", status="405") == 1
    assert _value(samples, name, route="/cc/modules", method="other", status="405") == 1
    assert _value(samples, name, route="-", method="GET", status="404") == 1
    assert sum(counted.values()) == 7
    assert _value(samples, seconds, route=one, method="GET") == 3
    assert _value(samples, "cos_http_requests_in_flight") == 1


async def test_an_unexpected_error_is_counted_as_500(app: FastAPI) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    async with client_of(app, raise_app_exceptions=False) as client:
        await client.get("/broken")
        samples = await _scraped(client)

    name = "cos_http_requests_total"
    assert _value(samples, name, route="/broken", method="GET", status="500") == 1


async def test_who_is_refused_is_counted_without_a_route(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr("s3cret-token")})
    async with client_of(create_app(guarded)) as client:
        await client.get("/cc/modules")
        client.headers["Authorization"] = "Bearer s3cret-token"
        samples = await _scraped(client)

    name = "cos_http_requests_total"
    assert _value(samples, name, route="-", method="GET", status="401") == 1


async def test_two_applications_count_for_themselves(settings: Settings) -> None:
    first, second = create_app(settings), create_app(settings)
    async with client_of(first) as client, client_of(second) as other:
        await client.get("/cc/modules")
        samples = await _scraped(other)

    assert not [key for key in samples if key[0] == "cos_http_requests_total"]


@pytest.mark.parametrize(
    ("accept", "media_type", "last"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", None),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", None),
        (
            "application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            "# EOF",
        ),
        ("image/png", "text/plain; version=0.0.4; charset=utf-8", None),
    ],
)
async def test_the_form_is_the_one_that_is_asked_for(
    client: AsyncClient, accept: str, media_type: str, last: str | None
) -> None:
    answer = await client.get("/metrics", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert "cos_build_info" in answer.text
    assert last is None or answer.text.splitlines()[-1] == last


async def test_another_part_adds_its_figures(client: AsyncClient) -> None:
    metrics = Metrics(version="1")
    with metrics.asking({"some": _Some()}, timeout=5):
        inside = _samples((await metrics.scrape(""))[0].decode())
    outside = _samples((await metrics.scrape(""))[0].decode())

    assert _value(inside, "some_figure") == 7
    assert _value(inside, "cos_source_failed", source="some") == 0
    assert _value(outside, "some_figure") is None


async def test_a_part_that_fails_or_is_silent_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics(version="1")
    silent = _Silent()
    sources: dict[str, Source] = {"broken": _Broken(), "silent": silent, "some": _Some()}
    with caplog.at_level(logging.WARNING), metrics.asking(sources, timeout=0.1):
        samples = _samples((await metrics.scrape(""))[0].decode())
    await metrics.aclose()

    assert _value(samples, "some_figure") == 7
    assert [
        _value(samples, "cos_source_failed", source=name) for name in ("broken", "silent", "some")
    ] == [1, 1, 0]
    assert "no metrics of broken: LookupError: something about it" in caplog.text
    assert silent.ended.is_set()


async def test_build_and_heartbeats_are_told(app: FastAPI) -> None:
    module_id = ModuleFactory.create().id
    async with client_of(app) as client:
        for _ in range(2):
            await client.post(f"/cc/modules/{module_id}/heartbeat")
        await client.post(f"/cc/modules/{UUID(int=0)}/heartbeat")
        samples = await _scraped(client)
    builds = [dict(labels) for name, labels in samples if name == "cos_build_info"]

    assert _value(samples, "cos_heartbeats_total", source="http", outcome="stored") == 2
    assert builds[0].keys() == {"version", "python"}
