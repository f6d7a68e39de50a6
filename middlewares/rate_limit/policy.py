"""A quota with a name: what is charged, told in header fields, and kept apart in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .algorithms import NEVER, Bucket, make_algorithm
from .notation import SECOND, Quota
from .script import KINDS

if TYPE_CHECKING:
    from .algorithms import Algorithm

__all__ = ("Charge", "OnFailure", "Policy")

_MOST_LINES: Final = 512

OnFailure: TypeAlias = Literal["open", "closed", "local"]
"""What happens to requests while the store does not answer."""


class Policy:
    """One quota of one rule, with the algorithm that counts it.

    ``id`` names it in a store: a quota that was changed starts anew. ``home`` tells which state it is: two policies
    with one home count in the same place, so that a request is charged for only one of them.
    """

    __slots__ = (
        "algorithm",
        "allowed",
        "bucket",
        "denials",
        "denied",
        "home",
        "id",
        "is_gate",
        "is_step",
        "kind",
        "line",
        "lines",
        "local",
        "member",
        "name",
        "on_failure",
        "prefix",
        "quick",
        "quota",
        "spec",
        "step",
        "table",
        "tick",
        "window",
    )

    def __init__(
        self,
        name: str,
        quota: Quota,
        *,
        kind: str = "gcra",
        burst: int | None = None,
        tick: int = 1,
        on_failure: OnFailure = "local",
        is_gate: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.quota = quota
        self.algorithm: Algorithm = make_algorithm(kind, quota, burst, tick)
        self.bucket = self.algorithm if isinstance(self.algorithm, Bucket) else None
        """The algorithm, if it is that."""
        self.id = f"{name}|{kind}|{quota.amount}/{quota.period}" + (f"/{burst}" if burst else "")
        self.home: object = self.id
        self.tick = tick
        """Nanoseconds in which its state counts; of very large quotas these are more than a second."""
        self.on_failure: OnFailure = on_failure
        self.is_gate = is_gate
        """Whether it is asked only, and charged by other means."""
        self.is_step = False
        """Whether it is that of the network around an IPv6 address."""
        self.step: Policy | None = None
        """The policy of the network around an IPv6 address."""
        self.local: Policy | None = None
        """What counts in this process while a shared store does not answer."""
        self.table: Any = None
        """Where a store in memory keeps its states."""
        # RFC 9651, 3.3.3: a String, whose quotes and backslashes are escaped.
        self.prefix = b'"%b"' % name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")
        self.window = quota.period // SECOND
        """Seconds."""
        self.member = b"%b;q=%d;w=%d" % (self.prefix, quota.amount, self.window)
        """Its member of ``RateLimit-Policy``, byte for byte the same in every response."""
        self.line = (b"ratelimit-policy", self.member)
        self.lines = Lines(self.prefix)
        self.denials = Denials(self.line, self.lines)
        is_quick = self.bucket is not None and self.bucket.interval * tick <= SECOND
        self.quick = Quick(self.lines) if is_quick else None
        """Its ``RateLimit`` lines by units left, where another always comes within a second."""
        numbers = (KINDS[self.algorithm.kind], tick // 1000, *self.algorithm.arguments)
        self.spec = " ".join(map(str, numbers))
        """What a script is told of it."""
        self.allowed = 0
        """Requests that it let pass, for metrics."""
        self.denied = 0

    @property
    def is_rounded(self) -> bool:
        """Whether units come back so fast that whole ticks tell their time badly: by more than a tenth."""
        bucket = self.bucket
        if bucket is None or self.tick == 1:  # in nanoseconds nobody sees it
            return False
        amount = self.quota.amount
        units = amount - bucket.capacity + 1 if self.kind == "strict" else amount
        return 10 * bucket.interval * self.tick * units > 11 * self.quota.period

    def steps(self, cost: int) -> tuple[int, int]:
        """Return the ticks that units take to come back, and how far ahead of the time a state may lie before them.

        The ticks are 0 where two numbers do not tell all: of windows, of what is asked only, and of what never fits.
        """
        bucket = self.bucket
        if bucket is None or self.is_gate or cost > bucket.capacity:
            return 0, 0
        ticks = cost * bucket.interval
        return ticks, bucket.tolerance - ticks

    def rounded(self, ticks: int) -> int:
        """Return ticks in whole seconds, rounded up; `NEVER` stays."""
        return ticks if ticks == NEVER else -(-ticks * self.tick // SECOND)

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, {str(self.quota)!r})"


class Lines(dict[tuple[int, int], tuple[bytes, bytes]]):
    """The ``RateLimit`` lines of a policy, by units left and seconds until there are more: few are told, and often.

    At most 512 are remembered.
    """

    __slots__ = ("_prefix",)

    def __init__(self, prefix: bytes) -> None:
        super().__init__()
        self._prefix = prefix

    def __missing__(self, reading: tuple[int, int]) -> tuple[bytes, bytes]:
        left, seconds = reading
        # Draft-10: the seconds may be left out; so they are where all units are there.
        value = b"%b;r=%d;t=%d" % (self._prefix, left, seconds) if seconds else b"%b;r=%d" % (self._prefix, left)
        if len(self) >= _MOST_LINES:
            self.clear()
        line = self[reading] = (b"ratelimit", value)
        return line


class Quick(dict[int, tuple[bytes, bytes]]):
    """The lines of a policy by units left alone, some of which are not there. At most 512 are remembered."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def __missing__(self, left: int) -> tuple[bytes, bytes]:
        if len(self) >= _MOST_LINES:
            self.clear()
        found = self[left] = self._lines[left, 1]
        return found


class Denials(dict[int, list[tuple[bytes, bytes]]]):
    """The lines for one who has no unit left, by the seconds until there is one. At most 512 are remembered."""

    __slots__ = ("_line", "_lines")

    def __init__(self, line: tuple[bytes, bytes], lines: Lines) -> None:
        super().__init__()
        self._line = line
        self._lines = lines

    def __missing__(self, seconds: int) -> list[tuple[bytes, bytes]]:
        if len(self) >= _MOST_LINES:
            self.clear()
        found = self[seconds] = [(b"retry-after", b"%d" % seconds), self._line, self._lines[0, seconds]]
        return found


Charge: TypeAlias = tuple[Policy, str, int]
"""A policy, the key of a client, and the units that a request costs."""
