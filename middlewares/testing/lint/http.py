"""The course of an HTTP request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .face import INNER, OUTER, Face
from .http_events import BODY, START, TRAILERS, ZEROCOPY
from .machines import HTTP_RECEIVED, HTTP_SENT
from .registry import finds
from .scopes import is_plain_http, scope_faults
from .sending import stands
from .sides import MOST_NOTES
from .values import content_length, freeze, plain_length, size_of

if TYPE_CHECKING:
    from middlewares.asgi import Message, Scope

    from .sides import Sides

__all__ = ("HTTPFace",)

_WITHOUT_BODY = (204, 304)
_BODY_END = f"{BODY}!"
_SENDS = "app sends"
_MOST_FILES = 20
_UNTIL_END = {"started", "streaming"}
_AFTER_BODY = {"ended", "path sent"}
_UNFINISHED = {*_UNTIL_END, "trailers"}


class HTTPFace(Face):
    """Follows request and response, and counts the body."""

    kind = "http"
    sent_machine = HTTP_SENT
    received_machine = HTTP_RECEIVED
    hang_rule = "H19"

    status = 0
    length = -1
    """What content-length says; -1 where it says nothing."""
    counted = 0
    counts = True
    """Whether all of the body has passed as bytes; what extensions send from files is not counted."""
    trailers = False
    files: tuple[Any, ...] = ()

    def check_scope(self, scope: Scope) -> None:
        """Check the scope that was handed in."""
        if not is_plain_http(scope):
            for rule, fault in scope_faults(scope, "http"):
                self.report(rule, OUTER, fault, "warning" if rule == "H9" else "error")

    def passes(self, message: Message) -> bool:
        """Tell quickly whether an event is beyond doubt; only the two that every response is made of can be."""
        last = self.last_sent
        if type(message) is not dict or self.outcome != "runs":
            return False
        if last is not None and (last[0] is message or not stands(last)):
            return False
        kind = message.get("type")
        if type(kind) is not str or not (self._is_body(message) if kind == BODY else self._is_start(message, kind)):
            return False
        history = self.history
        history.append((_SENDS, kind, message.get("status")))
        if len(history) > MOST_NOTES:
            self.shorten()
        return True

    def _is_start(self, message: Message, kind: str) -> bool:
        """Take note of a start that is beyond doubt."""
        status, headers = message.get("status"), message.get("headers")
        if (
            kind != START
            or self.sent_state != "idle"
            or len(message) != 3  # type, status, headers
            or type(status) is not int
            or not 200 <= status <= 999
            or type(headers) is not list
            or (length := plain_length(headers)) is None
        ):
            return False
        self.sent_state = "started"
        self.sent_anything = True
        self.status = status
        self.length = length
        self.counted = 0
        self.trailers = False
        self.last_sent = message, {**message}, freeze(headers)
        return True

    def _is_body(self, message: Message) -> bool:
        """Take note of a part of the body that is beyond doubt."""
        body, more, state = message.get("body"), message.get("more_body", False), self.sent_state
        if (
            (state != "started" and state != "streaming")
            or type(body) is not bytes
            or type(more) is not bool
            or len(message) != 2 + ("more_body" in message)  # and type, body
            or (self.length >= 0 and self.counted + len(body) > self.length)
            or (body and self.is_bodiless())
            or self.trailers
        ):
            return False
        self.sent_state = "streaming" if more else "ended"
        self.counted += len(body)
        self.last_sent = message, {**message}, None
        return True

    def follow_sent(self, message: Message, kind: str) -> None:
        """Check an event that is sent."""
        if kind == START:
            self._follow_start(message)
        elif kind == BODY:
            self._follow_body(message)
        else:
            super().follow_sent(message, kind)
            if kind == ZEROCOPY:
                self.counts = False
                self._keep_file(message.get("file"))
            elif kind not in (TRAILERS, "http.response.push"):
                self.counts = self.counts and self.sent_state != "path sent"

    def _keep_file(self, file: Any) -> None:
        """Keep a file once, however many of its parts are sent."""
        if len(self.files) < _MOST_FILES and not any(kept is file for kept in self.files):
            self.files += (file,)

    def move_sent(self, message: Message, event: str) -> None:
        """Follow the machine; where trailers were announced, the last part of the body does not end the response."""
        before = self.sent_state
        super().move_sent(message, event)
        if self.trailers and before in _UNTIL_END and self.sent_state in _AFTER_BODY:
            self.sent_state = "trailers"

    def _follow_start(self, message: Message) -> None:
        self.check_content(message)
        self.move_sent(message, START)
        status = message.get("status")
        self.status = status if isinstance(status, int) else 0
        self.trailers = message.get("trailers") is True
        self.length = content_length(message.get("headers", ()))

    @finds("H33")
    def _follow_body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        self.check_content(message)
        self.move_sent(message, BODY if more else _BODY_END)
        if not body or not isinstance(body, (bytes, memoryview)):
            return
        if self.is_bodiless():
            if not self.counted:
                self.report("H33", INNER, f"a body for {self.scope.get('method')} with status {self.status}", "warning")
        elif self.length >= 0 and self.counted <= self.length < self.counted + size_of(body):
            self.report("H33", INNER, f"more than the {self.length} bytes of content-length are sent")
        self.counted += size_of(body)

    def is_bodiless(self) -> bool:
        """Return whether a body is dropped by the server (RFC 9110, 6.4.1)."""
        return self.status in _WITHOUT_BODY or self.scope.get("method") == "HEAD"

    def refusal_rule(self) -> str:
        """Return the rule that is broken by an exception of `send`."""
        return "H33" if self.is_bodiless() and self.counted else "G10"

    def is_over(self) -> bool:
        """Return whether nothing but a disconnect can come."""
        return self.received_state == "gone" or (
            self.sent_state in ("ended", "path sent") and self.received_state == "whole"
        )

    @finds("H29", "H33", "H34")
    def check_return(self) -> None:
        """Check that the response is whole."""
        state = self.sent_state
        if (state == "ended" and self.counted >= self.length) or self.received_state == "gone" or self.is_cut_off:
            return
        if state in ("idle", "debugged"):
            if not self.misplaced:
                self.report("H34", INNER, "the call returned without a response")
        elif state == "started":
            self.report("H29", INNER, "the call returned after the start without any body event")
        elif state in _UNFINISHED:
            self.report("H34", INNER, f"the call returned before the end of the {_awaited(state)}")
        elif self.counted < self.length and self.counts and not self.is_bodiless():
            self.report("H33", INNER, f"{self.counted} bytes were sent, but content-length says {self.length}")

    @finds("H37", "E2")
    def check_end(self, outcome: str) -> None:
        """Check what inner calls, and files, have left behind."""
        if self.inners and self.sent_state == "ended":
            broken = [face for face in self.inners if isinstance(face, HTTPFace) and face.is_broken_off(outcome)]
            if broken and self.received_state != "gone" and not self.is_cut_off:
                self.report("H37", INNER, "a response that was broken off inside was completed")
        if self.files:
            self._check_files()
        super().check_end(outcome)

    def _check_files(self) -> None:
        if any(getattr(file, "closed", True) is False for file in self.files):
            self.report("E2", INNER, "the file of zerocopysend was not closed")

    def is_broken_off(self, outside: str) -> bool:
        """Return whether the call ended within a response; an exception that was swallowed ``outside`` is H36."""
        is_swallowed = self.outcome == "raised" and outside == "returned"
        return self.outcome != "runs" and not is_swallowed and self.begun_outside and self.sent_state in _UNFINISHED

    def may_miss(self, inner: Sides) -> bool:
        """Return whether the response that came out is that of the inner call."""
        return isinstance(inner, HTTPFace) and inner.status == self.status

    def has_begun(self) -> bool:
        """Return whether a response has begun."""
        return self.status != 0


def _awaited(state: str) -> str:
    return "trailers" if state == "trailers" else "body"
