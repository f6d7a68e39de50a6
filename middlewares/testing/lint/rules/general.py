"""Rules for every scope type."""

from __future__ import annotations

from .rule import CORE, EXTENSIONS, Rule, ours

__all__ = ("GENERAL",)

GENERAL = (
    Rule(
        "G1",
        "server",
        "The scope is a dict, also of a derived class, whose keys are str, and its `type` is a str.",
        CORE,
        "Hand over a dict.",
    ),
    Rule(
        "G2",
        "server",
        "`asgi` is a dict; its `version` and `spec_version`, where given, are str.",
        CORE,
        "Set it to `{'version': '3.0', 'spec_version': ...}` with the version of the protocol.",
    ),
    Rule(
        "G3",
        "app",
        "On a scope type that it does not know, the application raises before it sends anything.",
        CORE,
        "Raise for every scope type that is not handled; returning quietly looks like an answer.",
    ),
    Rule("G4", "app", "The awaited call yields None.", ours("servers cut the connection otherwise"), "Return nothing."),
    Rule(
        "G5",
        "both",
        "Every event is a dict with a str `type` of the form protocol.name, of the protocol of its scope.",
        CORE,
        "Send a dict with the type of an event of this protocol.",
    ),
    Rule(
        "G6",
        "both",
        "Values are bytes, str, int of 64 bits, finite float, list, dict with str keys, bool or None.",
        CORE,
        "Convert the value; tuples are tolerated, and `file`, `info` and `state` are free.",
    ),
    Rule(
        "G7",
        "server",
        "`send` raises on an event of unknown type, without a required key, or with a value of the wrong type.",
        CORE,
        "Check events before they are encoded; an event that is let through truncates or garbles the response.",
    ),
    Rule(
        "G8",
        "app",
        "The application raises on an event that its protocol does not have.",
        CORE,
        "Compare the type of what was received, and raise on any other.",
    ),
    Rule("G9", "both", "Extra keys never raise.", CORE, "Read the keys that you know, and ignore the others."),
    Rule(
        "G10",
        "server",
        "`send` on a closed connection does nothing, or from version 2.4 raises a subclass of OSError; nothing else.",
        "HTTP & WebSocket 2.5, Disconnected client",
        "Raise a subclass of OSError, or return.",
    ),
    Rule(
        "G11",
        "server",
        "The OSError of a closed connection that leaves the application is not logged as its error.",
        "HTTP & WebSocket 2.5, Disconnected client",
        "Expect that exception around the call.",
        unobservable="what a server writes into its log does not pass the boundary",
    ),
    Rule(
        "G12",
        "server",
        "An exception of the application ends the instance and its connection.",
        CORE,
        "Close the connection after the exception.",
        unobservable="the connection is closed behind the boundary; a client sees it",
    ),
    Rule(
        "G13",
        "server",
        "The application is called exactly once for a request, a socket or an event loop.",
        CORE,
        "Make a new scope for each call.",
        unseen="a second call with a scope of its own looks like a second request",
    ),
    Rule(
        "G14",
        "middleware",
        "The scope is changed on a copy only, and nested values are replaced, not changed.",
        "ASGI 3.0, Middleware",
        "Hand on `{**scope, key: value}`; give a changed header list as a new list.",
    ),
    Rule(
        "G15",
        "middleware",
        "After the call inward its caller does not touch the scope that it handed over.",
        "ASGI 3.0, Middleware",
        "Do all changes before the call, on a copy.",
    ),
    Rule(
        "G16",
        "server",
        "`receive()` takes nothing and `send(event)` one argument; both return awaitables, and `send` gives None.",
        CORE,
        "Write both as coroutine functions, or return the inner awaitable.",
    ),
    Rule(
        "G17",
        "app",
        "The parameters are exactly scope, receive, send, by these names, without defaults or `*args`.",
        ours("one server calls by keyword, another takes a callable without arguments for a factory"),
        "Write `async def __call__(self, scope, receive, send)`.",
    ),
    Rule(
        "G18",
        "both",
        "An event that was handed over is neither used again nor changed by anybody, its headers can be read twice, "
        "and nothing is sent, nor does an inner call run on, once the call has returned.",
        ours("layers hold events back, read headers twice, and release what they hold when the call ends"),
        "Make a new dict for each event, materialise headers, and await all that the call started.",
    ),
    Rule(
        "G19",
        "both",
        "`extensions` is a dict of dicts, and an event of an extension is sent only if its key is present.",
        EXTENSIONS,
        "Look into `scope['extensions']` before sending the event.",
    ),
    Rule(
        "G20",
        "middleware",
        "An extension that a layer cannot carry is hidden on the way in; other events pass unchanged and in order.",
        ours("events that a layer does not know belong to somebody else"),
        "Pass on messages of other types, or remove the key of the extension from the inner scope.",
    ),
    Rule(
        "G21",
        "app",
        "An ASGI 2 application is a sync callable of the scope that returns a callable of receive and send.",
        "ASGI 2.0",
        "Move to ASGI 3; Stack adapts applications of the older form.",
        unobservable="an ASGI 2 application is adapted where the stack is built, so a layer always sees ASGI 3",
    ),
    Rule(
        "G22",
        "middleware",
        "A cancelled `receive` loses no event, a disconnect is answered again, one inner receive waits at a time, and "
        "another task may send meanwhile.",
        ours("applications wait for a disconnect in a task of their own, and cancel it"),
        "Keep what was received before the next await, remember that the client has gone, and let any task send.",
        unseen="an event that was taken by a cancelled receive may still be kept, until somebody receives again",
    ),
)
