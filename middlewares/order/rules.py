"""Which layer is better outside which, as data: why, and a request that shows the harm of the other order.

The rules form a graph without cycles, so there is always an order that keeps them all. Each harm is shown by a test
with the request told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ("ORDER_RULES", "TWICE", "OrderRule")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRule:
    """One piece of advice: a layer with the role ``outer`` is better outside one with the role ``inner``."""

    outer: str
    inner: str
    reason: str
    """Why, as a sentence."""
    harm: str
    """A request through the other order, and what becomes of it."""
    innermost: bool = False
    """Whether it speaks of the innermost layer with the role ``inner`` alone: others may stand anywhere."""
    among_ours: bool = True
    """Whether it also holds where both layers are of this package."""


ORDER_RULES: Final = (
    # -- who is asked whether all is well
    OrderRule(
        outer="health",
        inner="trusted_hosts",
        reason="Who checks the health of a process asks it by its address, which is no host of ours.",
        harm="GET /readyz with Host: 10.0.0.7:8000 gets 400, and no request is sent to the process.",
    ),
    OrderRule(
        outer="health",
        inner="https_redirect",
        reason="Who checks the health of a process asks it by plain HTTP, behind whatever ends TLS.",
        harm="GET /readyz is redirected to https, which the process does not speak.",
    ),
    OrderRule(
        outer="health",
        inner="auth",
        reason="Who checks the health of a process has no credentials.",
        harm="GET /readyz gets 401, and no request is sent to the process.",
    ),
    OrderRule(
        outer="health",
        inner="drain",
        reason="A process that shuts down is not ready, but alive: it has requests to finish.",
        harm="GET /livez during a shutdown gets 503, so that the process is killed with its requests.",
    ),
    # -- who the client is, and which host it means
    OrderRule(
        outer="proxy_headers",
        inner="rate_limit",
        reason="Behind a proxy all requests come from one address, until the forwarded one is read.",
        harm="Two clients behind one proxy send GET /: the second gets 429 for what the first has used up.",
    ),
    OrderRule(
        outer="proxy_headers",
        inner="access_log",
        reason="Behind a proxy all requests come from one address, until the forwarded one is read.",
        harm="GET / with X-Forwarded-For: 203.0.113.7 is logged under the address of the proxy.",
    ),
    OrderRule(
        outer="proxy_headers",
        inner="https_redirect",
        reason="A proxy that ends TLS speaks plain HTTP inwards; the scheme of the client is in a header.",
        harm="GET / with X-Forwarded-Proto: https is redirected to the same https address, again and again.",
    ),
    OrderRule(
        outer="proxy_headers",
        inner="sessions",
        reason="Some layers of others make a cookie Secure if the scheme is https, which a proxy tells in a header.",
        harm="GET / with X-Forwarded-Proto: https gets its session cookie without Secure.",
        among_ours=False,
    ),
    OrderRule(
        outer="proxy_headers",
        inner="trusted_hosts",
        reason="The host to check is the one that the client asked for, which the proxy put into a header.",
        harm="GET / with Host: backend and X-Forwarded-Host: shop.example gets 400.",
    ),
    OrderRule(
        outer="trusted_hosts",
        inner="https_redirect",
        reason="A redirect repeats the Host that the client sent, so it must have been checked.",
        harm="GET / with Host: evil.example is redirected to https://evil.example/.",
    ),
    OrderRule(
        outer="trusted_hosts",
        inner="cache",
        reason="What a cache answers, nothing further in has checked.",
        harm="GET / with Host: evil.example gets 200 from the cache, where the host check answers 400.",
    ),
    OrderRule(
        outer="proxy_headers",
        inner="maintenance",
        reason="Behind a proxy all requests come from one address, until the forwarded one is read.",
        harm="GET / during maintenance, with X-Forwarded-For: an address that may pass, gets 503.",
    ),
    # -- what is observed
    OrderRule(
        outer="request_id",
        inner="access_log",
        reason="A layer of others outside the one that gives ids does not know the id.",
        harm="GET / is logged without its id.",
        among_ours=False,
    ),
    OrderRule(
        outer="request_id",
        inner="error_page",
        reason="A layer of others outside the one that gives ids does not know the id, nor do its answers carry it.",
        harm="GET / to an application that fails gets a 500 that names no id to ask for.",
        among_ours=False,
    ),
    OrderRule(
        outer="tracing",
        inner="access_log",
        reason="A line that others log outside the span cannot name the trace.",
        harm="GET / with a traceparent is logged without its trace id.",
        among_ours=False,
    ),
    OrderRule(
        outer="tracing",
        inner="error_page",
        reason="A page that others make outside the span cannot name the trace, nor does the span learn of its status.",
        harm="GET / to an application that fails: its page names no trace, and its span not the status of the page.",
        among_ours=False,
    ),
    OrderRule(
        outer="metrics",
        inner="timeout",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / that runs out of time gets 504, and no 504 is counted.",
    ),
    OrderRule(
        outer="metrics",
        inner="rate_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / over the limit gets 429, and no 429 is counted.",
    ),
    OrderRule(
        outer="metrics",
        inner="user_rate_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / over the limit gets 429, and no 429 is counted.",
    ),
    OrderRule(
        outer="access_log",
        inner="timeout",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / that runs out of time gets 504, and no 504 is logged.",
    ),
    OrderRule(
        outer="access_log",
        inner="rate_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / over the limit gets 429, and no 429 is logged.",
    ),
    OrderRule(
        outer="access_log",
        inner="user_rate_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / over the limit gets 429, and no 429 is logged.",
    ),
    OrderRule(
        outer="metrics",
        inner="concurrency_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / when all places are taken gets 503, and no 503 is counted.",
    ),
    OrderRule(
        outer="metrics",
        inner="maintenance",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / during maintenance gets 503, and no 503 is counted.",
    ),
    OrderRule(
        outer="metrics",
        inner="drain",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / while the application shuts down gets 503, and no 503 is counted.",
    ),
    OrderRule(
        outer="access_log",
        inner="concurrency_limit",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / when all places are taken gets 503, and no 503 is logged.",
    ),
    OrderRule(
        outer="access_log",
        inner="maintenance",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / during maintenance gets 503, and no 503 is logged.",
    ),
    OrderRule(
        outer="access_log",
        inner="drain",
        reason="What a layer answers by itself is seen only from outside.",
        harm="GET / while the application shuts down gets 503, and no 503 is logged.",
    ),
    # -- what is refused before it costs anything
    OrderRule(
        outer="maintenance",
        inner="rate_limit",
        reason="What is refused for everybody should use up nobody's quota.",
        harm="GET / during maintenance gets 503 and is charged; once it is over, the client gets 429.",
    ),
    OrderRule(
        outer="rate_limit",
        inner="concurrency_limit",
        reason="A client over its quota should not take the place of another, nor wait for one.",
        harm="GET / over the limit, when all places are taken: 503 instead of 429, so the client tries again at once.",
    ),
    OrderRule(
        outer="timeout",
        inner="concurrency_limit",
        reason="A timeout further in does not count the time that a request waits for its place.",
        harm="GET / waits for a place for longer than the time that it has, and gets no 504.",
    ),
    # -- what browsers need on every answer
    OrderRule(
        outer="cors",
        inner="error_page",
        reason="A layer of others outside CORS comes too late: CORS answers what fails, so that pages can read it.",
        harm="GET / from an allowed origin to an application that fails: its page gets a bare 500 without words.",
        among_ours=False,
    ),
    OrderRule(
        outer="security_headers",
        inner="error_page",
        reason="An exception passes the layer that adds headers, and the page that is made of it gets none.",
        harm="GET / to an application that fails gets a 500 without its security headers.",
    ),
    OrderRule(
        outer="cors",
        inner="auth",
        reason="A preflight carries no credentials, and a layer of others does not know who will answer it.",
        harm="The preflight of an allowed origin gets 401, so its request is never sent.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="csrf",
        reason="A layer of others outside CORS answers without its headers, so the page may not read that.",
        harm="POST / from an allowed origin without its token: its page sees a network error, not the 403.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="rate_limit",
        reason="A layer of others counts preflights, and what it answers outside CORS the page may not read.",
        harm="GET / over the limit from an allowed origin: its page sees a network error, not the 429.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="user_rate_limit",
        reason="A layer of others counts preflights, and what it answers outside CORS the page may not read.",
        harm="GET / over the limit from an allowed origin: its page sees a network error, not the 429.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="timeout",
        reason="A layer of others outside CORS answers without its headers, so the page may not read that.",
        harm="GET / from an allowed origin that runs out of time: its page sees a network error, not the 504.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="body_limit",
        reason="A layer of others outside CORS answers without its headers, so the page may not read that.",
        harm="POST / from an allowed origin with too long a body: its page sees a network error, not the 413.",
        among_ours=False,
    ),
    OrderRule(
        outer="cors",
        inner="cache",
        reason="A cache outside CORS stores the headers that one origin got, and gives them to all.",
        harm="GET / without Origin, then from an allowed origin: the page may not read what the cache has kept.",
    ),
    # -- who the user is, and what may be kept of the answer
    OrderRule(
        outer="sessions",
        inner="csrf",
        reason="The token to compare with is in the session.",
        harm="POST / with the right token gets 403.",
    ),
    OrderRule(
        outer="sessions",
        inner="auth",
        reason="Who is logged in is written in the session.",
        harm="GET / of somebody who is logged in gets 401.",
    ),
    OrderRule(
        outer="rate_limit",
        inner="sessions",
        reason="A request that is refused for its address should cost next to nothing.",
        harm="GET / over the limit gets 429 only after its session was loaded from a store that has to be asked.",
    ),
    OrderRule(
        outer="auth",
        inner="user_rate_limit",
        reason="Before anybody is known, all users share one quota.",
        harm="Two users send GET /: the second gets 429 for what the first has used up.",
    ),
    OrderRule(
        outer="sessions",
        inner="cache",
        reason="A cache outside does not see that an answer was made for one session.",
        harm="GET /account by one visitor, then by another: the second gets the page of the first.",
    ),
    OrderRule(
        outer="auth",
        inner="cache",
        reason="What a cache answers, nothing further in has checked.",
        harm="GET / by a user, then by a stranger: the stranger gets the user's page instead of 401.",
    ),
    # -- bodies
    OrderRule(
        outer="decompress",
        inner="body_limit",
        reason="A limit outside counts the bytes on the wire, and a few of them may unpack to gigabytes.",
        harm="POST / with 2 KB of gzip reaches the application as 1 MB, past a limit of 64 KB.",
        innermost=True,
    ),
    OrderRule(
        outer="signature",
        inner="decompress",
        reason="A signature is of the bytes as they were sent, which nobody further in gets to see.",
        harm="POST / with gzip and a right signature of it gets 401.",
    ),
    OrderRule(
        outer="compression",
        inner="cache",
        reason="A cache outside keeps the coding that one client accepts, and gives it to all unless keyed by it.",
        harm="GET / with Accept-Encoding: gzip, then without: the second gets gzip that it cannot read.",
    ),
    OrderRule(
        outer="compression",
        inner="etag",
        reason="An entity tag made of encoded bytes changes with the coding and the compressor, not with the content.",
        harm="GET / with the tag that came with gzip, now without: 200 and the whole body again, where 304 would do.",
    ),
    OrderRule(
        outer="compression",
        inner="body_rewrite",
        reason="A layer that rewrites bodies finds nothing in encoded bytes.",
        harm="GET / with Accept-Encoding: gzip gets the page as it was, not rewritten.",
    ),
    OrderRule(
        outer="timeout",
        inner="base_http",
        reason="BaseHTTPMiddleware ends a response that failed further in as if it were whole.",
        harm="GET / that runs out of time after its first chunk: the client takes the piece for the whole.",
    ),
    OrderRule(
        outer="streaming",
        inner="base_http",
        reason="BaseHTTPMiddleware drops trailers, fails on pushes, and ends a broken stream as if it were whole.",
        harm="GET / with TE: trailers gets none of the trailers that a layer further in sends.",
    ),
)

TWICE: Final = OrderRule(
    outer="any",
    inner="the same again",
    reason="A layer that stands twice does its work twice, or overwrites what it did.",
    harm="GET / is charged twice, so that half of the quota is gone: 429 at the second request of two.",
)
"""No order mends this one: one of the two is to go."""
