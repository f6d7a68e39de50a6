"""One call seen from both sides: what passes between what stands outside a lint and what stands inside."""

from __future__ import annotations

import sys
from asyncio import current_task
from contextlib import suppress
from typing import TYPE_CHECKING

from middlewares.core.exchange import hand_back

from .receiving import Receiving
from .registry import finds
from .sending import Sending, stands
from .sides import INNER, KEY, MOST_CARRIED, OUTER, Sides
from .values import freeze, shown

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("INNER", "KEY", "OUTER", "Face")

# What an application may rebind in the scope that it was given: routers do, and nobody outside relies on it.
_ROUTING = {"path", "raw_path", "root_path", "path_params", "endpoint"}


class Face(Sending, Receiving):
    """The course of one call at one lint, from the scope that was handed in to the end."""

    # -- the scope

    @finds("G14")
    def check_outer_scope(self) -> None:
        """Compare the scope that was handed in with that which the next lint outside handed on."""
        if self.shares_scope and self.outer is not None and self.scope != self.outer.before:
            changed = _changed(self.scope, self.outer.before)
            if changed:
                self.report("G14", OUTER, f"the scope was changed in place: {_listed(changed)}")
            self.outer.before = {**self.scope}

    def hand_on(self, scope: Scope) -> None:
        """Hand a scope inward, and keep what it holds now, to see later whether it was changed in place."""
        self.before = scope
        self.handed = {**scope}
        headers, extensions = scope.get("headers"), scope.get("extensions")
        if type(headers) is list:
            self.scope_headers = freeze(headers)
        if type(extensions) is dict:
            self.scope_extensions = {**extensions}

    @finds("G14", "G15")
    def check_scopes(self) -> None:
        """At the end of the call, look whether a scope has been changed by who must not."""
        if self.handed != self.before:
            self._check_handed()
        if self.given is not None and self.scope != self.given and (changed := _changed(self.scope, self.given)):
            self.report("G15", OUTER, f"the scope was changed after the call: {_listed(changed)}")
        frozen = self.scope_headers
        if frozen is not None and tuple(self.before["headers"]) != frozen != freeze(self.before["headers"]):
            self.report("G14", INNER, "the header list of the scope was changed in place")
        if self.scope_extensions is not None and self.scope_extensions != self.before["extensions"]:
            self.report("G14", INNER, "the extensions of the scope were changed in place")

    @finds("G14")
    def _check_handed(self) -> None:
        changed = _changed(self.handed, self.before) & {*self.before}  # keys that were added take nothing away
        if not self.inners or any(face.shares_scope for face in self.inners):
            changed -= _ROUTING  # the application may have written it
        if changed:
            self.report("G14", INNER, f"the scope was changed in place: {_listed(changed)}")

    # -- the end of the call

    @finds("G3", "G4", "G8", "H36")
    def returned(self, result: object) -> None:
        """Check the end of a call that returned."""
        if result is not None:
            self.report("G4", INNER, f"the call gave {shown(result)}")
        if self.unknown_received:
            self.report("G8", INNER, "the application did not raise on an event that its protocol does not have")
        try:
            task = current_task()
        except RuntimeError:  # another event loop than asyncio's
            task = None
        if task is not None and task.cancelling() and not _is_cancelled_outside():
            self.report("H36", INNER, "a cancellation was swallowed")
        elif self.inners and any(face.outcome == "raised" and face.begun_outside for face in self.inners):
            self.report("H36", INNER, "the inner application raised after the start, and the layer returned")
        self.check_return()

    def check_return(self) -> None:
        """Check the state in which the call returned."""

    @finds("G9")
    def raised(self, error: BaseException) -> None:
        """Check the end of a call that raised."""
        extra = [key for key in self.extra_keys if isinstance(error, Exception) and key in str(error)]
        if extra:
            self.report("G9", INNER, f"the application raised {shown(error)} over the key {extra[0]!r}")

    def left(self, outcome: str) -> None:
        """Check what holds however the call ended."""
        if self.inners or self.carried:
            self.check_end(outcome)
        last = self.last_sent
        if last is not None and not (last[0] == last[1] if last[2] is None else stands(last)):
            self._check_last(None)
        self.check_scopes()
        if outcome == "returned" and len(self.inners) == 1:
            self._check_carried(self.inners[0])

    @finds("G18")
    def check_end(self, outcome: str) -> None:
        """Check what inner calls, and events of extensions, have left behind."""
        if any(face.outcome == "runs" for face in self.inners):
            self.report("G18", INNER, "the layer returned before its inner call did")

    @finds("G20")
    def _check_carried(self, inner: Sides) -> None:
        if MOST_CARRIED in (len(self.carried), len(inner.carried)):
            return  # not all is known
        missing = [kind for kind in inner.carried if kind not in self.carried and "send" not in kind]
        if missing and self.may_miss(inner):
            self.report("G20", INNER, f"{missing[0]} was sent inside, and never came out")
        elif not missing and [k for k in self.carried if k in inner.carried] != [
            k
            for k in inner.carried
            if k in self.carried  # a file may have become a body
        ]:
            self.report("G20", INNER, f"events came out in another order: {', '.join(self.carried)}")

    def may_miss(self, inner: Sides) -> bool:
        """Return whether the response that came out is that of the inner call."""
        return True

    def close(self, outcome: str) -> None:
        """Forget what the call held, so that it leaves no cyclic garbage."""
        self.outcome = outcome
        if self.outer is not None:
            self.begun_outside = self.outer.has_begun()
        if len(self.handed) > len(self.before):
            with suppress(Exception):  # a scope may refuse to be written to, and is then left as it is
                hand_back(self.handed, self.scope)
        if self.inners:
            for face in self.inners:
                face.faults = {} if face.faults is None else face.faults
            self.past_faults = tuple(face.faults for face in self.inners if face.faults is not None)
            self.inners = ()
        self.last_received = self.last_sent = None
        self.scope = self.handed = self.before = {}
        self.given = None


def _is_cancelled_outside() -> bool:
    """Return whether who called is cleaning up after a cancellation that it has caught and still holds."""
    return not isinstance(sys.exception(), Exception | None)


def _changed(scope: Scope, before: Scope) -> set[str]:
    """Return the keys that differ; frameworks make a list of headers that were none, which says the same."""
    changed = {key for key in {*scope, *before} if key not in scope or scope[key] != before.get(key)}
    if "headers" in changed and "headers" in scope and [*scope["headers"]] == [*before.get("headers", ())]:
        changed.discard("headers")
    return changed


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(map(str, keys)))
