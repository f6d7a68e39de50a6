"""Rules for WebSocket."""

from __future__ import annotations

from .rule import WEBSOCKET, Rule

__all__ = ("WEBSOCKET_RULES",)

WEBSOCKET_RULES = (
    Rule(
        "W1",
        "server",
        "The scope has no `method`; `http_version` and `scheme`, where given, are non-empty str.",
        WEBSOCKET,
        "Leave the method out; the rest is as for HTTP.",
    ),
    Rule(
        "W2", "server", "`subprotocols`, where given, is an iterable of str.", WEBSOCKET, "Decode and split the header."
    ),
    Rule("W3", "server", "The first event is websocket.connect, and it comes once.", WEBSOCKET, "Hand it over first."),
    Rule(
        "W4",
        "app",
        "The handshake is answered by accept, close or a denial response before anything else.",
        WEBSOCKET,
        "Send websocket.accept or websocket.close before returning or sending data.",
    ),
    Rule(
        "W5", "server", "No websocket.receive comes before the accept.", WEBSOCKET, "Hold data back until the accept."
    ),
    Rule(
        "W6",
        "app",
        "A socket is accepted at most once; `subprotocol` is None or one that was offered.",
        WEBSOCKET,
        "Choose from `scope['subprotocols']`.",
    ),
    Rule(
        "W7",
        "app",
        "`headers` of an accept are pairs of bytes in lower case without pseudo names and sec-websocket-protocol, "
        "and not sent to a server of version 2.0.",
        WEBSOCKET,
        "Name the subprotocol by its key; look at spec_version.",
    ),
    Rule(
        "W8", "server", "A websocket.receive holds either bytes or text, of that type.", WEBSOCKET, "Give one of them."
    ),
    Rule("W9", "app", "A websocket.send holds either bytes or text, of that type.", WEBSOCKET, "Give one of them."),
    Rule("W10", "app", "Nothing is sent before the accept or after the close.", WEBSOCKET, "Keep track of the state."),
    Rule(
        "W11",
        "server",
        "A close before the accept answers 403; after it, a close frame with that code.",
        WEBSOCKET,
        "Encode the close.",
        unobservable="frames are behind the boundary",
    ),
    Rule(
        "W12",
        "app",
        "`code` is an int that may stand on the wire, `reason` a str of at most 123 bytes, or None.",
        f"{WEBSOCKET}; RFC 6455, 5.5.1 and 7.4",
        "Use 1000 to 1003, 1007 to 1014, or 3000 to 4999, and shorten the reason.",
    ),
    Rule(
        "W13",
        "server",
        "websocket.disconnect has an int `code`, perhaps a str `reason`, and is the last event.",
        WEBSOCKET,
        "Use 1005 without a code; answer later receives with the disconnect.",
    ),
    Rule(
        "W14",
        "server",
        "From version 2.4, `send` on a closed socket raises a subclass of OSError.",
        WEBSOCKET,
        "Raise a subclass of OSError.",
        unseen="until the disconnect has been received, only the server knows that the socket is closed",
    ),
    Rule(
        "W15",
        "server",
        "The server answers pings and joins fragments by itself.",
        WEBSOCKET,
        "Do so.",
        unobservable="frames are behind the boundary",
    ),
    Rule(
        "W16",
        "server",
        "The end of the application closes the socket, and the end of the socket is told to the application.",
        WEBSOCKET,
        "Answer receive with websocket.disconnect once the socket is closed.",
    ),
)
