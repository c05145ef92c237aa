"""Requests to an application in this process, its lifespan entered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient


@asynccontextmanager
async def client_of(
    app: FastAPI,
    *,
    raise_app_exceptions: bool = True,
    base_url: str = "http://127.0.0.1",
    peer: str = "127.0.0.1",
) -> AsyncIterator[AsyncClient]:
    """Run ``app``'s lifespan around a client; unexpected errors are raised in the test as well.

    The connection comes in at the host of ``base_url``, from ``peer``.
    """
    transport = ASGITransport(app, raise_app_exceptions=raise_app_exceptions, client=(peer, 123))
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url=base_url) as client,
    ):
        yield client
