"""Rules for HTTP: the scope, what the server hands in, what the application sends."""

from __future__ import annotations

from .rule import HTTP, Rule, ours

__all__ = ("HTTP_RULES",)

_WIRE = "it is decided on the wire, behind the boundary"

_SCOPE = (
    Rule("H1", "server", "`http_version` is '1.0', '1.1', '2' or '3'.", HTTP, "Give the version in this form."),
    Rule("H2", "server", "`method` is a non-empty str in upper case.", HTTP, "Upper-case the method."),
    Rule("H3", "server", "`scheme`, where given, is a non-empty str.", HTTP, "Leave it out, or name the scheme."),
    Rule(
        "H4",
        "server",
        "`path` is a str, percent-decoded and decoded from UTF-8, without the query.",
        HTTP,
        "Cut at the '?', then unquote once.",
    ),
    Rule("H5", "server", "`raw_path`, where given, is bytes without the query, or None.", HTTP, "Cut at the '?'."),
    Rule(
        "H6",
        "server",
        "`query_string` is bytes, still encoded, without the leading '?'.",
        HTTP,
        "Give the bytes after the '?', or b'' without any.",
    ),
    Rule(
        "H7",
        "server",
        "`root_path`, where given, is a str, and `path` begins with it.",
        HTTP,
        "Put the prefix in front of the path.",
    ),
    Rule(
        "H8",
        "server",
        "`headers` is an iterable of pairs of bytes; repetitions and the order of values are kept.",
        HTTP,
        "Hand over a list of (name, value) pairs of bytes.",
    ),
    Rule("H9", "server", "Names of request headers should be in lower case.", HTTP, "Lower-case the names."),
    Rule(
        "H10",
        "server",
        "No name of a header begins with ':'; ':authority' becomes host.",
        HTTP,
        "Drop pseudo-header fields, and put host in front.",
    ),
    Rule(
        "H11",
        "app",
        "Several cookie headers are joined with '; '.",
        HTTP,
        "Join them before parsing.",
        unobservable="what an application reads out of headers stays inside it",
    ),
    Rule("H12", "server", "`client` is None or a pair of str and int.", HTTP, "Give the port as an int."),
    Rule(
        "H13", "server", "`server` is None, a pair of str and int, or [path, None].", HTTP, "Give the port as an int."
    ),
    Rule(
        "H14",
        "server",
        "`state` is a fresh shallow copy of the lifespan's for every call.",
        HTTP,
        "Hand over state.copy().",
        unseen="without a lifespan nobody knows what it was copied from; keys beside its own may come from layers",
    ),
    Rule(
        "H15",
        "server",
        "The framing of a chunked body never reaches the application.",
        HTTP,
        "Decode the chunks.",
        unobservable="a body may look like chunks by right",
    ),
)

_RECEIVE = (
    Rule("H16", "server", "Only http.request and http.disconnect are received.", HTTP, "Hand over nothing else."),
    Rule("H17", "server", "`body` is bytes, `more_body` a bool; both may be left out.", HTTP, "Convert the values."),
    Rule(
        "H18", "server", "After the last part of the body no http.request follows.", HTTP, "Go on with http.disconnect."
    ),
    Rule(
        "H19",
        "server",
        "After the response has ended or the client has gone, `receive` gives http.disconnect, and only that.",
        HTTP,
        "Answer every later receive with http.disconnect instead of waiting.",
    ),
    Rule(
        "H20",
        "app",
        "It may send before it receives; after a disconnect it expects that `send` may fail.",
        HTTP,
        "Be ready for an OSError from send.",
        unobservable="it grants a liberty: no event breaks it",
    ),
)

_SEND = (
    Rule("H21", "app", "Exactly one http.response.start is sent, before any body.", HTTP, "Send one start, first."),
    Rule(
        "H22",
        "app",
        "`status` is an int from 200 to 999.",
        ours("interim responses have extensions of their own"),
        "Send the number as an int; for hints use http.response.early_hint.",
    ),
    Rule("H23", "app", "`headers`, where given, is an iterable of pairs of bytes.", HTTP, "Encode names and values."),
    Rule("H24", "app", "Names of response headers are in lower case.", HTTP, "Lower-case the names."),
    Rule("H25", "app", "No name of a response header begins with ':'.", HTTP, "Leave pseudo-header fields out."),
    Rule(
        "H26",
        "app",
        "Names are tokens, values hold no CR, LF or NUL, and there is at most one content-length, of digits only.",
        ours("RFC 9110, 5.1, 5.5 and 8.6: anything else lets one response be read as two"),
        "Check what goes into headers, above all what came from a request.",
    ),
    Rule(
        "H27",
        "server",
        "A transfer-encoding header is ignored.",
        HTTP,
        "Drop it.",
        unobservable=_WIRE,
    ),
    Rule("H28", "server", "The order of headers is kept.", HTTP, "Send them as they come.", unobservable=_WIRE),
    Rule(
        "H29",
        "app",
        "At least one body event, or its like of an extension, follows the start.",
        HTTP,
        "Send `{'type': 'http.response.body'}` for an empty body.",
    ),
    Rule("H30", "app", "`body` is bytes, `more_body` a bool; both may be left out.", HTTP, "Convert the values."),
    Rule(
        "H31",
        "server",
        "The data is in the send buffer before `send` returns.",
        HTTP,
        "Wait for the buffer to drain in send.",
        unobservable="buffers are behind the boundary",
    ),
    Rule(
        "H32", "app", "Nothing follows the last body event but announced trailers.", HTTP, "Stop after the last part."
    ),
    Rule(
        "H33",
        "both",
        "As many bytes are sent as content-length says; with HEAD, 204 and 304 a body is dropped and is no error.",
        ours("RFC 9110, 6.4.1 and 8.6: a wrong length hangs or splits the connection"),
        "Set content-length from the bytes, or leave it out.",
    ),
    Rule(
        "H34",
        "app",
        "The application returns only when the response is complete or the client has gone.",
        ours("some servers answer 500, others leave the client hanging"),
        "End with a body event without more_body, or raise.",
    ),
    Rule("H35", "app", "`trailers`, where given, is a bool.", HTTP, "Give True or False."),
    Rule(
        "H36",
        "middleware",
        "An exception after the start, and a cancellation, is raised again and never papered over.",
        ours("truncated data must not look like success"),
        "Use try/finally, or raise again at the end of except.",
    ),
    Rule(
        "H37",
        "middleware",
        "A response that was broken off inside is not completed outside.",
        ours("truncated data must not look like success"),
        "Send the last part only when the inner application has sent its own.",
    ),
)

HTTP_RULES = (*_SCOPE, *_RECEIVE, *_SEND)
