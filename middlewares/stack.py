"""Build an application out of middlewares: a list of entries, the first listed is outermost.

::

    app = Stack(Middleware(GZip, minimum_size=1000), Middleware(CORS, allow_origins=["https://shop.example"]))(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.adapt import Interface, adapt, recognisable
from middlewares.errors import OptionError, OptionErrors, Problem
from middlewares.record import Entry, Middleware, as_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from middlewares.asgi import ASGIApp
    from middlewares.order import OrderWarning

__all__ = ("Middleware", "Stack")


class Stack:
    """An immutable list of middlewares that wraps applications; the first listed is outermost.

    Entries are `Middleware` records (ours or Starlette's), bare classes, `When` records, and other stacks. Called
    with an application it returns the wrapped one, so a stack stands wherever a middleware class does. The inner
    application may also be an ASGI 2 double callable or, with ``a2wsgi``, a WSGI application.

    ``observability=True`` adds `Tracing`, `RequestID`, `AccessLog` and `Metrics` with their defaults, where they
    belong, unless there is an entry for them.

    Raises `OptionError` with the problems of every entry, before an application is known.
    """

    __slots__ = ("entries",)

    entries: tuple[Middleware, ...]

    def __init__(self, *entries: Entry, observability: bool = False) -> None:
        problems: list[Problem] = []
        records: list[Middleware] = []
        for position, entry in enumerate(entries, 1):
            try:
                records.append(as_record(entry))
            except OptionError as error:
                where = f"[{position}] ({error.owner})"
                problems += (Problem(f"{where} {p.option}", p.rule, p.value, p.hint) for p in error.problems)
        if problems:
            raise OptionError("Stack", problems)
        if observability:
            from middlewares.observability import with_observability  # whose rules of order speak of stacks

            records = [*with_observability(records)]
        object.__setattr__(self, "entries", tuple(records))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Stack is immutable: cannot set {name!r}; its methods return a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Stack is immutable: cannot delete {name!r}; its methods return a new one")

    def __call__(self, app: Any, /, *, interface: Interface | None = None) -> ASGIApp:
        """Return ``app`` inside all layers, as an ASGI 3 application that every server recognises.

        ``interface`` (``"asgi3"``, ``"asgi2"`` or ``"wsgi"``) says what ``app`` is where its parameters do not.
        """
        wrapped = adapt(app, interface)
        for position, entry in reversed([*enumerate(self.entries, 1)]):
            wrapped = entry(wrapped)
            if not callable(wrapped):
                problems = OptionErrors("Stack")
                problems.add(f"[{position}] ({entry.name})", "must return an ASGI application", wrapped)
                problems.raise_if_any()
        return recognisable(wrapped)

    def insert_before(self, target: object, *entries: Entry) -> Stack:
        """Return a stack with ``entries`` just outside ``target``: a class, a name such as ``"gzip"``, or an index."""
        index = self._index(target)
        return self._with(index, index, entries)

    def insert_after(self, target: object, *entries: Entry) -> Stack:
        """Return a stack with ``entries`` just inside ``target``."""
        index = self._index(target) + 1
        return self._with(index, index, entries)

    def replace(self, target: object, *entries: Entry) -> Stack:
        """Return a stack with ``entries`` in the place of ``target``."""
        index = self._index(target)
        return self._with(index, index + 1, entries)

    def remove(self, target: object) -> Stack:
        """Return a stack without ``target``."""
        return self.replace(target)

    def check(self, *, roles: Mapping[Any, str] | None = None) -> tuple[OrderWarning, ...]:
        """Return what is legal but unwise in the order of the layers, those of nested stacks and `When` included.

        A layer is known by its role: ours by name, well-known foreign ones by class, any other by an attribute
        ``order_role`` of its class or by ``roles``, which maps classes, or import paths such as
        ``"package.module:Class"``, to roles. Raises `OptionError` for a role that does not exist.
        """
        from middlewares.order import check

        return check(self, roles)

    def sorted(self, *, roles: Mapping[Any, str] | None = None) -> Stack:
        """Return a stack of the same layers in the advised order; where no rule speaks, the order stays.

        Nested stacks stay whole unless a layer belongs between theirs: then their layers stand in their place. What
        stands together under one `When` stays together. A layer that stands twice is not removed.
        """
        from middlewares.order import sort

        return sort(self, roles)

    def tree(self) -> list[str]:
        """Return the lines that draw this stack, outermost layer first."""
        lines = ["Stack"]
        for position, entry in enumerate(self.entries, 1):
            is_last = position == len(self.entries)
            first, *rest = entry.tree()
            lines.append(f"{'└─' if is_last else '├─'} {first}")
            lines += (f"{'  ' if is_last else '│ '} {line}" for line in rest)
        return lines

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Middleware:
        return self.entries[index]

    def __str__(self) -> str:
        return "\n".join(self.tree())

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(repr, self.entries))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.entries

    def _with(self, start: int, stop: int, entries: Iterable[Entry]) -> Stack:
        return type(self)(*self.entries[:start], *entries, *self.entries[stop:])

    def _index(self, target: object) -> int:
        if isinstance(target, int):
            found = [target % len(self)] if -len(self) <= target < len(self) else []
        else:
            found = [index for index, entry in enumerate(self.entries) if entry.contains(target)]
        if len(found) == 1:
            return found[0]
        if found:
            rule = f"must mean one layer, but stands at {', '.join(map(str, found))}: give the index"
        else:
            names = ", ".join(entry.name for entry in self)
            rule = f"must be one of {names}" if names else "cannot be found: the stack is empty"
        problems = OptionErrors("Stack")
        problems.add("target", rule, getattr(target, "__name__", target))
        raise OptionError("Stack", problems.found)
