"""What layers that watch have told of requests, as tests read it: lines of a log, and counts of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from middlewares import AccessLog, Metrics, Middleware

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.samples import Sample

__all__ = ("Counts", "Lines")


class Lines:
    """A log that keeps what each line is made of."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def layer(self) -> Middleware:
        """Return a layer that logs here."""
        return Middleware(AccessLog, format=self._keep, logger="tests.watched", quiet_paths=())

    def _keep(self, at: float, level: str, record: dict[str, Any]) -> str:
        self.records.append(record)
        return ""

    def of(self, name: str) -> list[Any]:
        """Return what each line says under a name; ``None`` where it says nothing."""
        return [record.get(name) for record in self.records]

    @property
    def statuses(self) -> list[Any]:
        """The status of each request."""
        return self.of("http.response.status_code")


class Counts:
    """A registry for the layers of one test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def layer(self, **options: Any) -> Middleware:
        """Return a layer that counts here."""
        return Middleware(Metrics, registry=self.registry, exclude_paths=(), **options)

    def samples(self, *names: str) -> Iterator[Sample]:
        """Yield the samples of some names, or all."""
        for metric in self.registry.collect():
            yield from (sample for sample in metric.samples if not names or sample.name in names)

    @property
    def requests(self) -> dict[tuple[str | None, str | None], float]:
        """How many requests ended with a status, and a type of error."""
        found = self.samples("http_server_request_duration_seconds_count")
        return {
            (sample.labels.get("http_response_status_code"), sample.labels.get("error_type")): sample.value
            for sample in found
        }

    @property
    def statuses(self) -> list[int]:
        """The statuses that were counted, each once."""
        return [int(status) for status, _ in self.requests if status]

    @property
    def refusals(self) -> dict[str, float]:
        """How often layers answered by themselves, by reason."""
        return {sample.labels["code"]: sample.value for sample in self.samples("middlewares_refusals_total")}
