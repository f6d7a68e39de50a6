"""A project of Django: HTTP alone, as Django has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.urls import path

from tests.interop.frameworks.linted import FILE, linted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

__all__ = ("app", "urlpatterns")

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.clickjacking.XFrameOptionsMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",  # noqa: S106 - nothing is signed
)
django.setup()


async def hello(_request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"hello")
    response.set_cookie("seen", "yes")
    return response


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


async def stream(_request: HttpRequest) -> HttpResponseBase:
    async def parts() -> AsyncIterator[str]:
        for part in ("a", "", "b"):
            yield part

    return StreamingHttpResponse(parts())


async def endless(_request: HttpRequest) -> HttpResponseBase:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(parts())


async def empty(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


async def unchanged(_request: HttpRequest) -> HttpResponse:
    return HttpResponseNotModified()


def file(_request: HttpRequest) -> HttpResponseBase:
    return FileResponse(FILE.open("rb"))


async def broken(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


async def cut(_request: HttpRequest) -> HttpResponseBase:
    async def parts() -> AsyncIterator[str]:
        yield "a part"
        raise RuntimeError("cut")

    return StreamingHttpResponse(parts())


urlpatterns = [
    path(view.__name__, view) for view in (hello, echo, stream, endless, empty, unchanged, file, broken, cut)
]
app = linted(get_asgi_application())
