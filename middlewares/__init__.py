"""Composable, pure-ASGI middlewares: any order, any application, any server, from code or from a file.

The names below are imported when they are first used (PEP 562), so that importing the package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # read by type checkers as true; importing typing would take longer than all the rest

if TYPE_CHECKING:
    from .access_log import AccessLog as AccessLog
    from .compression import Brotli as Brotli
    from .compression import Compress as Compress
    from .compression import GZip as GZip
    from .compression import Zstd as Zstd
    from .concurrency_limit import ConcurrencyLimit as ConcurrencyLimit
    from .config import from_config as from_config
    from .cors import CORS as CORS
    from .cors import CORSPolicy as CORSPolicy
    from .decompress import Decompress as Decompress
    from .drain import Drain as Drain
    from .errors import ConfigError as ConfigError
    from .errors import MiddlewaresError as MiddlewaresError
    from .errors import MissingExtra as MissingExtra
    from .errors import OptionError as OptionError
    from .health import Health as Health
    from .maintenance import Maintenance as Maintenance
    from .metrics import Metrics as Metrics
    from .metrics import MetricsEndpoint as MetricsEndpoint
    from .order import OrderWarning as OrderWarning
    from .problem_details import ProblemDetails as ProblemDetails
    from .publish_route import PublishRoute as PublishRoute
    from .rate_limit import RateLimit as RateLimit
    from .request_id import RequestID as RequestID
    from .server_timing import ServerTiming as ServerTiming
    from .sessions import Session as Session
    from .sessions import Sessions as Sessions
    from .stack import Middleware as Middleware
    from .stack import Stack as Stack
    from .timeout import Timeout as Timeout
    from .tracing import Tracing as Tracing
    from .when import When as When

__version__ = "0.1.0"

_HOME = {
    "AccessLog": ".access_log",
    "Brotli": ".compression",
    "CORS": ".cors",
    "CORSPolicy": ".cors",
    "Compress": ".compression",
    "ConcurrencyLimit": ".concurrency_limit",
    "ConfigError": ".errors",
    "Decompress": ".decompress",
    "Drain": ".drain",
    "GZip": ".compression",
    "Health": ".health",
    "Maintenance": ".maintenance",
    "Metrics": ".metrics",
    "MetricsEndpoint": ".metrics",
    "Middleware": ".stack",
    "MiddlewaresError": ".errors",
    "MissingExtra": ".errors",
    "OptionError": ".errors",
    "OrderWarning": ".order",
    "ProblemDetails": ".problem_details",
    "PublishRoute": ".publish_route",
    "RateLimit": ".rate_limit",
    "RequestID": ".request_id",
    "ServerTiming": ".server_timing",
    "Session": ".sessions",
    "Sessions": ".sessions",
    "Stack": ".stack",
    "Timeout": ".timeout",
    "Tracing": ".tracing",
    "When": ".when",
    "Zstd": ".compression",
    "from_config": ".config",
}

__all__ = (  # noqa: RUF022 - in the order of dir()
    "AccessLog",
    "Brotli",
    "CORS",
    "CORSPolicy",
    "Compress",
    "ConcurrencyLimit",
    "ConfigError",
    "Decompress",
    "Drain",
    "GZip",
    "Health",
    "Maintenance",
    "Metrics",
    "MetricsEndpoint",
    "Middleware",
    "MiddlewaresError",
    "MissingExtra",
    "OptionError",
    "OrderWarning",
    "ProblemDetails",
    "PublishRoute",
    "RateLimit",
    "RequestID",
    "ServerTiming",
    "Session",
    "Sessions",
    "Stack",
    "Timeout",
    "Tracing",
    "When",
    "Zstd",
    "__version__",
    "from_config",
)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
