"""Rules for extensions; each only where the scope declares it."""

from __future__ import annotations

from .rule import EXTENSIONS, TLS, Rule

__all__ = ("EXTENSION_RULES",)

EXTENSION_RULES = (
    Rule(
        "E1",
        "app",
        "A push comes between start and end of the response, with a str `path` and pairs of bytes as `headers`.",
        EXTENSIONS,
        "Send pushes after the start and before the last part of the body.",
    ),
    Rule(
        "E2",
        "app",
        "zerocopysend comes after the start; `file` has a descriptor, `offset` and `count` are int; "
        "the application closes the file.",
        EXTENSIONS,
        "Send an open file of the operating system, and close it in finally.",
    ),
    Rule(
        "E3",
        "app",
        "pathsend comes once, after the start, with an absolute str `path`, never with body events.",
        EXTENSIONS,
        "Send either the path or the body.",
    ),
    Rule(
        "E4",
        "app",
        "Early hints come before the start; `links` is an iterable of bytes.",
        EXTENSIONS,
        "Send hints before the start.",
    ),
    Rule(
        "E5",
        "app",
        "Trailers come only when announced and after the last part of the body; a Trailer header names them.",
        EXTENSIONS,
        "Set trailers to True in the start, add the trailer header, and end with the trailers.",
    ),
    Rule(
        "E6",
        "server",
        "Trailers are transmitted only if the request says te: trailers.",
        EXTENSIONS,
        "Drop them otherwise.",
        unobservable="it is decided on the wire, behind the boundary",
    ),
    Rule("E7", "app", "debug comes once, before the start; `info` is a dict.", EXTENSIONS, "Send it first, once."),
    Rule(
        "E8",
        "app",
        "A denial response comes before the accept, shaped as in HTTP, and no other event follows it.",
        EXTENSIONS,
        "Send start and body of the denial, then return.",
    ),
    Rule(
        "E9",
        "server",
        "`tls` has all of server_cert, tls_version and cipher_suite, each of its type or None.",
        TLS,
        "Fill in all three keys.",
    ),
    Rule(
        "E10",
        "server",
        "`tls` client certificates: an iterable of PEM str, their name, and an error that is None or text.",
        TLS,
        "Give client_cert_name with a chain, and no empty error.",
    ),
)
