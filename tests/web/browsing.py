"""A browser without a window: it keeps cookies, and asks the application in this process."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.applications import Starlette


class Browser:
    """Asks an application for pages, for the length of a `with`."""

    def __init__(self, app: Starlette) -> None:
        self._runner = asyncio.Runner()
        self._life = app.router.lifespan_context(app)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8765"
        )

    def __enter__(self) -> Self:
        self._runner.run(self._enter())
        return self

    async def _enter(self) -> None:
        await self._life.__aenter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._exit())
        self._runner.close()

    async def _exit(self) -> None:
        await self._client.aclose()
        await self._life.__aexit__(None, None, None)

    def get(self, page: str, **options: Any) -> httpx.Response:
        """Ask for a page; a redirection is not followed."""
        return self.request("GET", page, **options)

    def cookie(self, name: str, value: str) -> None:
        """Set a cookie, as a script does."""
        self._client.cookies.set(name, value, domain="127.0.0.1")

    def request(self, method: str, page: str, **options: Any) -> httpx.Response:
        """Send a request."""
        return self._runner.run(self._client.request(method, page, **options))
