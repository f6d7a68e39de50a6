"""Tell whether anybody may register names below a domain: then its subdomains belong to strangers.

Standard: the Public Suffix List, https://publicsuffix.org, from the package ``publicsuffixlist`` where it is
installed (extra ``cors``). Without it a small table stands in, which knows the largest registries and hosts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("COMMON_SUFFIXES", "is_public_suffix")

# By last label, or by the rest of the domain: registries with a second level, then hosts that sell subdomains.
_SECOND_LEVELS: Final = {
    "ac": "at cn id il jp kr nz th uk za",
    "co": "at id il in jp ke kr nz th uk za",
    "com": "ar au bd br cn co eg hk mx my ng pe ph pk pl sa sg tr tw ua uy ve vn",
    "edu": "au br cn co hk in mx my pe ph pk pl sg tr tw ua vn",
    "go": "id jp ke kr th",
    "gov": "au br cn co hk in my ph pk pl sg tr tw ua uk vn",
    "net": "ar au br cn co id in my nz ph pk pl sg tr tw ua uk vn za",
    "or": "at id jp kr th",
    "org": "ar au br cn co hk il in mx my nz pe ph pk pl sg tr tw ua uk vn za",
}
_HOSTS: Final = frozenset(
    """
    amplifyapp.com appspot.com azurestaticapps.net azurewebsites.net blogspot.com cloudfront.net deno.dev
    firebaseapp.com fly.dev github.io githubpreview.dev gitlab.io herokuapp.com hf.space netlify.app
    ngrok-free.app ngrok.app ngrok.io onrender.com pages.dev pythonanywhere.com r2.dev repl.co
    s3.amazonaws.com streamlit.app surge.sh trycloudflare.com vercel.app web.app workers.dev
    """.split()  # noqa: SIM905 - shorter than a list of its own
)
COMMON_SUFFIXES: Final = ("com", "net", "org", "io", "dev", "app", "co.uk", *sorted(_HOSTS))
"""Public suffixes by which expressions are tried."""


def is_public_suffix(domain: str) -> bool:
    """Return whether ``domain``, in lower case, is a public suffix; a name of one label always is.

    A dot at the end, which browsers keep, changes nothing.
    """
    domain = domain.removesuffix(".")
    return "." not in domain or _listed()(domain)


@cache
def _listed() -> Callable[[str], bool]:
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return _is_in_table
    is_public: Callable[[str], bool] = PublicSuffixList().is_public
    return is_public


def _is_in_table(domain: str) -> bool:
    first, _, rest = domain.partition(".")
    return domain in _HOSTS or rest in _SECOND_LEVELS.get(first, "").split()
