"""Rules for the lifespan."""

from __future__ import annotations

from .rule import LIFESPAN, Rule, ours

__all__ = ("LIFESPAN_RULES",)

LIFESPAN_RULES = (
    Rule(
        "L1", "server", "The scope holds type, asgi and perhaps `state`, an empty dict.", LIFESPAN, "Add nothing else."
    ),
    Rule("L2", "server", "The lifespan is called once for each event loop.", LIFESPAN, "Await the one that runs."),
    Rule(
        "L3",
        "server",
        "lifespan.startup comes first, and no connection before it is complete.",
        LIFESPAN,
        "Accept connections after startup.complete.",
    ),
    Rule("L4", "app", "A startup is answered by complete or failed, once.", LIFESPAN, "Answer before returning."),
    Rule("L5", "app", "`message`, where given, is a str.", LIFESPAN, "Give the text of the error."),
    Rule(
        "L6",
        "server",
        "After startup.failed the server exits, with the message logged.",
        LIFESPAN,
        "Serve nothing after startup.failed.",
    ),
    Rule(
        "L7",
        "server",
        "After an exception in place of the answer it goes on without lifespan events.",
        LIFESPAN,
        "Serve without a lifespan.",
        unobservable="the call has ended, so nothing that follows belongs to it",
    ),
    Rule(
        "L8",
        "server",
        "lifespan.shutdown comes only after a completed startup, when all connections are closed.",
        LIFESPAN,
        "Wait for the calls that run.",
    ),
    Rule("L9", "app", "A shutdown is answered by complete or failed, once.", LIFESPAN, "Answer, then return."),
    Rule(
        "L10",
        "app",
        "Between startup.complete and the shutdown the application does not return.",
        ours("servers take the return for the end of the lifespan"),
        "Await the next event after the startup.",
    ),
    Rule(
        "L11",
        "server",
        "The server copies `state` and never edits it.",
        LIFESPAN,
        "Hand a copy to each request.",
        unseen="a key that was added or set anew may be the application's own doing; how keys are named is its choice",
    ),
    Rule(
        "L12",
        "middleware",
        "The lifespan is always handed on, with all its events, and answered after the inner application.",
        LIFESPAN,
        "Call the inner application for every scope type that is not yours, and wait for its answers.",
        unseen="when a layer opens and closes a resource of its own stays inside it",
    ),
    Rule(
        "L13",
        "middleware",
        "A layer's own error at startup is answered by startup.failed.",
        ours("an exception means that lifespan is unsupported, and the server would serve without the resource"),
        "Catch the error of your own resource, and send lifespan.startup.failed.",
        unseen="where the inner application raises, nobody sees whether the layer has a resource to answer for",
    ),
)
