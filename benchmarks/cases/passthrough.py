"""Layers that have nothing to do: scope types that are not theirs."""

from __future__ import annotations

from benchmarks.answer import identical
from benchmarks.apps import close_websocket, start_lifespan
from benchmarks.case import Bar, Case, Subject, ours, peer
from benchmarks.pool import lifespan_scope, websocket_scope

__all__ = ("CASES",)

_LAYERS: dict[str, tuple[Subject, Subject]] = {
    "gzip": (
        ours("middlewares:GZip"),
        peer("starlette GZipMiddleware", "starlette.middleware.gzip:GZipMiddleware"),
    ),
    "cors": (
        ours("middlewares:CORS", allow_origins=("https://shop.example",), websockets=False),
        peer(
            "starlette CORSMiddleware",
            "starlette.middleware.cors:CORSMiddleware",
            allow_origins=("https://shop.example",),
        ),
    ),
}


def _lifespan(layer: str) -> Case:
    return Case(
        f"passthrough-lifespan-{layer}",
        f"{layer} and a lifespan scope",
        start_lifespan,
        lifespan_scope,
        _LAYERS[layer],
        identical,
        bars=(Bar(overhead_us=0.2),),
        receive={"type": "lifespan.startup"},
    )


def _websocket(layer: str) -> Case:
    return Case(
        f"passthrough-websocket-{layer}",
        f"{layer} and a WebSocket that is accepted and closed",
        close_websocket,
        websocket_scope,
        _LAYERS[layer],
        identical,
        bars=(Bar(overhead_us=0.2),),
        receive={"type": "websocket.connect"},
    )


CASES = tuple(make(layer) for make in (_lifespan, _websocket) for layer in _LAYERS)
