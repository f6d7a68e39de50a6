"""Count in an SQLite file, for all processes of one machine.

Time is that of the monotonic clock, which the processes of a machine share. After a restart it begins anew: states
that seem to lie in the future are cut to what they can be.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from middlewares.stores.base import DEADLINE
from middlewares.stores.database import Database

from .decision import Decision

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from .notation import Quota
    from .policy import Charge, Policy

__all__ = ("SQLiteLimits",)

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS limits (
    key TEXT PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL, c INTEGER NOT NULL, ends INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS limits_ends ON limits (ends)",
)
_GET: Final = "SELECT a, b, c FROM limits WHERE key = ?"
_SET: Final = "INSERT OR REPLACE INTO limits (key, a, b, c, ends) VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM limits WHERE key = ?"
_SWEEP: Final = "DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE ends <= ? LIMIT 128)"
_TAKES_PER_SWEEP: Final = 64


class SQLiteLimits:
    """The states of limits in a table of an SQLite file. What was counted last may be lost when the power fails."""

    def __init__(
        self,
        path: str,
        *,
        namespace: str = "default",
        deadline: float = DEADLINE,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._database = Database(path, _SCHEMA, deadline=deadline)
        self._namespace = namespace
        self.place = (str(Path(path).absolute()), namespace)
        """What two objects that count in one place have in common."""
        self._clock = clock
        self._takes = 0

    def tick(self, kind: str, quota: Quota) -> int:
        """Count in nanoseconds: SQLite's integers have 64 bits."""
        return 1

    async def take(self, charges: Sequence[Charge]) -> Decision:
        """Charge all of them or, if one does not fit, none."""
        decision = await self._database.do(lambda connection: self._take(connection, charges))
        self._takes += 1
        if self._takes % _TAKES_PER_SWEEP == 0:
            await self._database.run(_SWEEP, self._clock())
        return decision

    async def debit(self, charges: Sequence[Charge]) -> None:
        """Charge what was used already, whether it fits or not."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            now = self._clock()
            for policy, key, cost in charges:
                state = self._load(connection, policy, key, now)
                self._save(connection, policy, key, policy.algorithm.debit(state, now, cost))
            connection.execute("COMMIT")

        await self._database.do(work)

    async def refund(self, decision: Decision) -> None:
        """Give back what a decision charged."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            now = self._clock()
            for (policy, key, cost), charged in zip(decision.charges, decision.states, strict=True):
                if not policy.is_gate:
                    state = self._load(connection, policy, key, now)
                    self._save(connection, policy, key, policy.algorithm.refund(state, now, cost, charged))
            connection.execute("COMMIT")

        await self._database.do(work)

    async def reset(self, policy: Policy, key: str) -> None:
        """Forget the state of a key."""
        await self._database.run(_DELETE, self._name(policy, key))

    async def aclose(self) -> None:
        """Close the file."""
        self._database.close()

    def _take(self, connection: sqlite3.Connection, charges: Sequence[Charge]) -> Decision:
        # Others wait from here on, so that no two processes decide from one state.
        connection.execute("BEGIN IMMEDIATE")
        now = self._clock()
        states = [self._load(connection, policy, key, now) for policy, key, _ in charges]
        afters = [
            policy.algorithm.charge(state, now, cost) for (policy, _, cost), state in zip(charges, states, strict=True)
        ]
        is_allowed = None not in afters
        if is_allowed:
            for number, (policy, key, cost) in enumerate(charges):
                if cost and not policy.is_gate:
                    states[number] = afters[number]
                    self._save(connection, policy, key, states[number])
        connection.execute("COMMIT")
        return Decision(is_allowed, charges, tuple(states), now)

    def _load(self, connection: sqlite3.Connection, policy: Policy, key: str, now: int) -> Any:
        """Return the state of a key; one that a clock left in the future is mended."""
        algorithm = policy.algorithm
        row = connection.execute(_GET, (self._name(policy, key),)).fetchone()
        if row is None:
            return algorithm.empty
        state = row[0] if algorithm.kind == "bucket" else row[:2] if algorithm.kind == "fixed" else row
        mended = algorithm.sound(state, now)
        if mended != state:
            self._save(connection, policy, key, mended)
        return mended

    def _save(self, connection: sqlite3.Connection, policy: Policy, key: str, state: Any) -> None:
        parts = (state,) if isinstance(state, int) else state
        row = (*parts, 0, 0)[:3]
        connection.execute(_SET, (self._name(policy, key), *row, policy.algorithm.expires(state)))

    def _name(self, policy: Policy, key: str) -> str:
        return f"{self._namespace}\x1f{policy.id}\x1f{key}"
