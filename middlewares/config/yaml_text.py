"""Read YAML with the places of its keys and values: the part of it that means the same to everybody.

Words are read by the core schema of YAML 1.2: only ``true`` and ``false`` are booleans, so ``no`` and ``on`` are text,
and ``010`` is ten. Tags are refused, for they make objects; so are merge keys, keys that stand twice, and aliases
that grow beyond measure. Dates are text, which becomes a date where an option takes one.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .positions import MAX_DEPTH, Malformed, Path, Place, Positions, TooDeep

__all__ = ("parse_yaml",)

MOST_VALUES = 20_000
"""Values that a file may hold, counted each time that an alias repeats them."""

MOST_NODES = 2 * MOST_VALUES
"""Keys and values before aliases repeat them."""

_MOST_DIGITS = 20
_TOO_LARGE = 2**64
_TAG = "tag:yaml.org,2002:"
# YAML 1.2.2, 10.3.2.
_CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


def parse_yaml(text: str) -> tuple[Any, Positions]:
    """Return the value of a YAML text and where everything in it stands; raises `Malformed`."""
    reading = _Reading(text)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except _Refused as error:
        raise Malformed((reading.place(error.mark), error.words)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = error.problem or error.context or "it cannot be read"
        if words.startswith("found undefined alias"):
            words = "found undefined alias; put text that begins with '*' in quotes"  # it may be a secret
        raise Malformed((reading.place(mark) if mark else None, f"is not YAML: {words}")) from None
    except yaml.reader.ReaderError as error:
        place = reading.positions.place(int(error.position))
        raise Malformed((place, f"is not YAML: the character {chr(int(error.character))!a}")) from None
    value = None if node is None else reading.value(node, ())
    if reading.problems:
        raise Malformed(*reading.problems)
    return value, reading.positions


class _Refused(Exception):
    """Something that is YAML, but not read here."""

    def __init__(self, mark: yaml.Mark, words: str) -> None:
        self.mark = mark
        self.words = words
        super().__init__(words)


class _Loader(yaml.SafeLoader):
    """Compose nodes by the core schema, without tags, to a bounded depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - a table of PyYAML's
    depth = count = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's own has no types
        if getattr(event, "tag", None) is not None:
            raise _Refused(event.start_mark, "is not read: tags are refused; write the value without '!'")
        if self.depth > MAX_DEPTH:
            raise _Refused(event.start_mark, f"is nested more than {MAX_DEPTH} levels deep")
        self.count += 1
        if self.count > MOST_NODES:
            raise _Refused(event.start_mark, f"holds more than {MOST_VALUES} values")
        self.depth += 1
        try:
            node: Node | None = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        return node


for _name, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Reading:
    """Turn nodes into values, and note where they stand."""

    def __init__(self, text: str) -> None:
        self.positions = Positions.of(text)
        self.problems: list[tuple[Place | None, str]] = []
        self.count = 0

    def place(self, mark: yaml.Mark) -> Place:
        return self.positions.place(mark.index)

    def value(self, node: Node, path: Path) -> Any:
        start = node.start_mark.index
        self.positions.add(path, start, start)
        self.count += 1
        if self.count > MOST_VALUES:
            raise Malformed(
                (self.place(node.start_mark), f"holds more than {MOST_VALUES} values, with those that aliases repeat")
            )
        if len(path) > MAX_DEPTH:
            raise TooDeep(self.place(node.start_mark))  # by aliases: an anchor may even stand in itself
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node.tag.removeprefix(_TAG), str(node.value))

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            problem = _key_problem(key_node, found)
            if problem is not None:
                self.problems.append((self.place(key_node.start_mark), problem))
                continue
            key = str(key_node.value)
            self.positions.add((*path, key), key_node.start_mark.index, value_node.start_mark.index)
            found[key] = self.value(value_node, (*path, key))
        return found


def _key_problem(node: Node, known: dict[str, Any]) -> str | None:
    if not isinstance(node, ScalarNode) or node.tag != f"{_TAG}str":
        return "a key must be text; put it in quotes"
    if node.value in known:
        return f"the key {node.value!r} stands twice"
    if node.value == "<<" and node.style is None:
        return "merge keys are not read; write what every entry shares under 'defaults'"
    return None


def _scalar(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base) if len(text) <= _MOST_DIGITS else _TOO_LARGE
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
