"""The built-in middlewares by the one name each has: config key, docs page, and where its class stands."""

from __future__ import annotations

from importlib import import_module

__all__ = ("BUILTIN", "load_builtin")

BUILTIN: dict[str, str] = {
    "access_log": "middlewares.access_log:AccessLog",
    "request_id": "middlewares.request_id:RequestID",
    "server_timing": "middlewares.server_timing:ServerTiming",
    "brotli": "middlewares.compression:Brotli",
    "compress": "middlewares.compression:Compress",
    "concurrency_limit": "middlewares.concurrency_limit:ConcurrencyLimit",
    "cors": "middlewares.cors:CORS",
    "decompress": "middlewares.decompress:Decompress",
    "drain": "middlewares.drain:Drain",
    "gzip": "middlewares.compression:GZip",
    "rate_limit": "middlewares.rate_limit:RateLimit",
    "sessions": "middlewares.sessions:Sessions",
    "zstd": "middlewares.compression:Zstd",
    "maintenance": "middlewares.maintenance:Maintenance",
    "timeout": "middlewares.timeout:Timeout",
    "metrics": "middlewares.metrics:Metrics",
    "tracing": "middlewares.tracing:Tracing",
    "health": "middlewares.health:Health",
    "problem_details": "middlewares.problem_details:ProblemDetails",
    "publish_route": "middlewares.publish_route:PublishRoute",
}


def load_builtin(name: str) -> type:
    """Import the class behind a built-in name; `KeyError` if there is none."""
    module, _, attribute = BUILTIN[name].partition(":")
    found: type = getattr(import_module(module), attribute)
    return found
