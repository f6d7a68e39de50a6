"""The JSON Schema of configuration files, for editors: made from what the middlewares declare of their options.

What the loader accepts, the schema accepts; it also refuses unknown keys, wrong types and missing keys. What only the
classes know, such as the form of an origin or of a quota, is left to the loader. Standard: JSON Schema 2020-12.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import re
from dataclasses import MISSING
from pathlib import Path as FilePath
from types import GenericAlias
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from middlewares.core.layer import is_self_checking
from middlewares.core.option_docs import OptionDoc, option_docs
from middlewares.core.options import is_collection_type, is_mapping_type, option_types
from middlewares.errors import MissingExtra
from middlewares.registry import BUILTIN, load_builtin
from middlewares.when import Conditional

from .convert import choices
from .declared import summary_of
from .resolve import plugins
from .sections import MATCHERS, OPTIONS, SECTION
from .shorthands import SHORTHANDS

try:
    from pydantic import Field, TypeAdapter, WithJsonSchema
except ImportError:
    raise MissingExtra("the JSON Schema of configuration files", "config") from None

__all__ = ("SCHEMA_FILE", "config_schema")

SCHEMA_FILE = FilePath(__file__).with_name("middlewares.schema.json")
"""The schema without plugins, as it is shipped."""

_Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A "${" before which each "$" is one of a pair, or alone.
_REFERENCE_FORM = r"^([^$]|\$\$|\$(?![${]))*\$\{"
_REFERENCE = {
    "type": "string",
    "pattern": _REFERENCE_FORM,
    "description": "Filled in: ${VAR}, ${VAR:-default}, ${file:/path}",
}
_Reference = Annotated[Any, WithJsonSchema({"type": "string", "pattern": _REFERENCE_FORM})]
_Callable = Annotated[str, Field(pattern=r"^\w+(\.\w+)*:\w+(\.\w+)*$")]
_Null = Annotated[Any, WithJsonSchema({"enum": [None, "${null}"]})]
_FOREIGN = r"^[^:]+:[^:]+$"
_OWN = (bool, int, float, str)


def config_schema(*, with_plugins: bool = True) -> _Schema:
    """Return the schema of a configuration file; with the middlewares that installed packages offer by name."""
    classes: dict[str, Any] = {name: load_builtin(name) for name in sorted(BUILTIN)}
    if with_plugins:
        classes |= _plugin_classes()
    definitions: _Schema = {"when": _when(), "reference": _REFERENCE}
    for name, cls in classes.items():
        definitions[f"{name}_options"] = _options(option_docs(cls), option_types(cls)) | {
            "description": summary_of(cls)
        }
        definitions[name] = _entry(name, definitions[f"{name}_options"])
    entries = [{"$ref": f"#/$defs/{name}"} for name in classes] + [{"$ref": "#/$defs/foreign"}]
    definitions["foreign"] = _foreign([name for name in plugins() if name not in classes] if with_plugins else [])
    definitions["defaults"] = _defaults(classes, definitions)
    definitions["profile"] = _profile(classes, definitions)
    return {
        "$schema": _DIALECT,
        "title": "Configuration of middlewares",
        "description": "The layers in front of an ASGI application: the first entry is outermost.",
        "type": "object",
        "properties": _top(entries),
        "additionalProperties": False,
        "anyOf": [{"required": [key]} for key in (SECTION, "include", *SHORTHANDS)],
        "allOf": [_only_known_defaults(classes), *_required(classes)],
        "$defs": definitions,
    }


def _plugin_classes() -> dict[str, Any]:
    """Return the classes of plugins that declare their options as ours do."""
    found = {}
    for name, plugin in sorted(plugins().items()):
        try:
            cls = plugin.load()
        except Exception:  # noqa: BLE001, S112 - what is not ours may fail in any way; such a plugin has no schema
            continue
        if is_self_checking(cls):
            found[name] = cls
    return found


def _top(entries: list[_Schema]) -> _Schema:
    return {
        "$schema": {"type": "string"},
        SECTION: {
            "description": "The layers, outermost first.",
            "type": "array",
            "items": {"anyOf": entries},
        },
        "defaults": {"$ref": "#/$defs/defaults"},
        "stores": _stores(),
        "profile": {
            "description": "Changes to entries, defaults and stores, chosen by --profile or MIDDLEWARES_PROFILE.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/profile"},
        },
        "include": {
            "description": "Files whose entries stand outside of those of this file; paths start from its directory.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
    } | {key: _shorthand(key, names) for key, names in SHORTHANDS.items()}


def _stores() -> _Schema:
    return {
        "description": "URLs of stores by names that the options store and revocations may give.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    }


def _shorthand(key: str, names: tuple[str, ...]) -> _Schema:
    switch = [{"type": "boolean"}, {"$ref": "#/$defs/reference"}]
    known = {name: [{"$ref": f"#/$defs/{name}_options"}] if name in BUILTIN else [] for name in names}
    tables = {name: {"anyOf": [*switch, *table]} for name, table in known.items()}
    return {
        "description": f"Stands for {', '.join(names)}, outside of all entries.",
        "anyOf": [*switch, {"type": "object", "properties": tables, "additionalProperties": False}],
        "title": key,
    }


def _own_keys() -> _Schema:
    return {
        "id": {"type": "string", "description": "What profiles know the entry by, if not by use."},
        "enabled": {
            "description": "false: the entry is checked, but left out.",
            "anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/reference"}],
            "default": True,
        },
        "when": {"$ref": "#/$defs/when"},
    }


def _entry(name: str, options: _Schema) -> _Schema:
    use = {"use": {"const": name, "description": options["description"]}}
    inner = {OPTIONS: {"$ref": f"#/$defs/{name}_options"}}
    return {
        "description": options["description"],
        "type": "object",
        "properties": use | _own_keys() | _referred(name, options) | inner,
        "required": ["use"],
        "additionalProperties": False,
    }


def _referred(name: str, options: _Schema) -> _Schema:
    """Return the schemas of the options of a middleware by reference, since they stand in several places."""
    return {option: {"$ref": f"#/$defs/{name}_options/properties/{option}"} for option in options["properties"]}


def _foreign(names: list[str]) -> _Schema:
    use: _Schema = {"type": "string", "description": "A middleware of a third party, as package.module:Class."}
    forms = [{"pattern": _FOREIGN}, *([{"enum": names}] if names else [])]
    return {
        "type": "object",
        "properties": {"use": use | {"anyOf": forms}} | _own_keys() | {OPTIONS: {"type": "object"}},
        "required": ["use"],
    }


def _defaults(classes: dict[str, Any], definitions: _Schema) -> _Schema:
    """Return the schema of ``[defaults]``: what one middleware takes under a name, another may take otherwise."""
    forms: dict[str, dict[str, _Schema]] = {}
    for name in classes:
        options = definitions[f"{name}_options"]
        for option, reference in _referred(name, options).items():
            forms.setdefault(option, {}).setdefault(repr(options["properties"][option]), reference)
    return {
        "description": "Values of options, for every entry that takes such an option and does not set it.",
        "type": "object",
        "properties": {
            option: {"anyOf": [*found.values()]} if len(found) > 1 else next(iter(found.values()))
            for option, found in sorted(forms.items())
        },
    }


def _profile(classes: dict[str, Any], definitions: _Schema) -> _Schema:
    changes = {
        name: {
            "type": "object",
            "properties": _changing()
            | _referred(name, definitions[f"{name}_options"])
            | {OPTIONS: {"$ref": f"#/$defs/{name}_options"}},
            "additionalProperties": False,
        }
        for name in classes
    }
    other = {"type": "object", "properties": _changing() | {OPTIONS: {"type": "object"}}}
    return {
        "type": "object",
        "properties": {
            "inherits": {"type": "string", "description": "A profile whose changes hold too, unless changed here."},
            "defaults": {"$ref": "#/$defs/defaults"},
            "stores": _stores(),
            SECTION: {
                "description": "What changes in each entry, by its id or its use.",
                "type": "object",
                "properties": changes,
                "additionalProperties": other,
            },
        },
        "additionalProperties": False,
    }


def _changing() -> _Schema:
    return {key: schema for key, schema in _own_keys().items() if key != "id"}


def _when() -> _Schema:
    docs = [doc for doc in option_docs(Conditional) if doc.name in MATCHERS]
    schema = _options(tuple(docs), option_types(Conditional))
    return {"description": "Which requests pass the layer; all others go around it.", "minProperties": 1} | schema


def _only_known_defaults(classes: dict[str, Any]) -> _Schema:
    """Return the rule that defaults are for known options, unless middlewares of others stand there."""
    known = {"enum": sorted(classes)}
    ours = {"properties": {SECTION: {"items": {"properties": {"use": known}}}}, "not": {"required": ["include"]}}
    names = sorted({option.name for cls in classes.values() for option in option_docs(cls)})
    return {"if": ours, "then": {"properties": {"defaults": {"propertyNames": {"enum": names}}}}}


def _required(classes: dict[str, Any]) -> list[_Schema]:
    """Return a rule for each option that must be given, by the entry or by what may give it besides."""
    rules = []
    for name, cls in classes.items():
        for option in (doc.name for doc in option_docs(cls) if doc.is_required):
            by_default = {"required": ["defaults"], "properties": {"defaults": {"required": [option]}}}
            elsewhere = {"anyOf": [by_default, {"required": ["include"]}, {"required": ["profile"]}]}
            here = {
                "anyOf": [
                    {"required": [option]},
                    {"required": [OPTIONS], "properties": {OPTIONS: {"required": [option]}}},
                ]
            }
            is_it = {"required": ["use"], "properties": {"use": {"const": name}}}
            given = {"properties": {SECTION: {"items": {"if": is_it, "then": here}}}}
            rules.append({"if": {"not": elsewhere}, "then": given})
    return rules


def _options(docs: tuple[OptionDoc, ...], types: dict[str, Any]) -> _Schema:
    """Return the schema of a table of options."""
    properties = {}
    for doc in docs:
        schema = TypeAdapter(_file_type(types[doc.name])).json_schema()
        schema.pop("title", None)
        described = {"description": doc.doc.replace("``", "`")} if doc.doc else {}
        properties[doc.name] = described | schema | _default(doc)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _default(doc: OptionDoc) -> _Schema:
    if doc.default is MISSING or doc.default is None:
        return {}
    if isinstance(doc.default, _OWN):
        return {"default": doc.default}
    if isinstance(doc.default, (tuple, list, frozenset)) and all(isinstance(item, _OWN) for item in doc.default):
        return {"default": list(doc.default)}
    return {}


def _file_type(hint: Any) -> Any:
    """Return an annotation for what a file may hold where an option is annotated with ``hint``."""
    wanted = choices(hint)
    has_table = any(map(_is_table_class, wanted))
    found = [_one(choice) for choice in wanted if not (has_table and is_mapping_type(choice))]
    types = [one for one in found if one is not None and not (one is _Callable and str in found)]
    if not types:
        return Any
    if Any not in types and str not in types and any(map(_is_scalar, wanted)):
        types.append(_Reference)
    return Union[tuple(types)]  # noqa: UP007 - of a number that is known only here


def _one(hint: Any) -> Any:
    """Return what a file may hold for one member of a union; ``None`` for objects that only code can make."""
    origin = get_origin(hint) or hint
    if origin is collections.abc.Callable:
        return _Callable
    if _is_table_class(hint):
        return Annotated[Any, WithJsonSchema(_table(hint))]
    if is_mapping_type(hint):
        return GenericAlias(dict, (str, _file_type((get_args(hint) or (Any, Any))[1])))
    if is_collection_type(hint):
        return _list_type(hint)
    if origin is type(None):
        return _Null
    if origin in (FilePath, re.Pattern):
        return str
    return hint if origin in (Any, Literal, *_OWN, dt.date, dt.datetime) else None


def _list_type(hint: Any) -> Any:
    arguments = get_args(hint)
    if get_origin(hint) is tuple and arguments[-1:] != (...,):
        return GenericAlias(tuple, tuple(map(_file_type, arguments)))
    return GenericAlias(list, (_file_type(arguments[0] if arguments else Any),))


def _is_scalar(hint: Any) -> bool:
    return not (is_mapping_type(hint) or is_collection_type(hint) or _is_table_class(hint) or hint is type(None))


def _is_table_class(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _table(cls: Any) -> _Schema:
    docs = option_docs(cls)
    return _options(docs, option_types(cls)) | {"required": [doc.name for doc in docs if doc.is_required]}
