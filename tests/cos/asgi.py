"""Requests to an application in this process, its lifespan entered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient


@asynccontextmanager
async def client_of(
    app: FastAPI, *, raise_app_exceptions: bool = True
) -> AsyncIterator[AsyncClient]:
    """Run ``app``'s lifespan around a client; unexpected errors are raised in the test as well."""
    transport = ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://cos.test") as client,
    ):
        yield client
