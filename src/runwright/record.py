# SPDX-License-Identifier: Apache-2.0
"""Record: the base of all values, a ``msgspec.Struct`` that also answers to the names ADK programs call; OpenEnum.

JSON names are camelCase, Python names snake_case; both are taken on the way in. Bytes are URL-safe base64
with padding on the way out, and either alphabet is taken on the way in.
"""

import base64
import copy
import enum
import functools
import types as python_types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import msgspec

from runwright.errors import InputValidationError

_SCALARS = frozenset({str, int, float, bool, type(None)})


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value; anything that is not a plain container is shared."""
    kind = cast("type[Any]", type(value))
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {key: copy_json(item) for key, item in cast("dict[str, Any]", value).items()}
    if kind is list:
        return [copy_json(item) for item in cast("list[Any]", value)]
    return value


def camel_case(name: str) -> str:
    """``client_id`` as ``clientId``."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


class Record(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, repr_omit_defaults=True):
    """A value with camelCase JSON. Subclasses repeat ``kw_only=True``, which structs do not inherit."""

    transient: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that no dump shows."""

    if TYPE_CHECKING:

        def __copy__(self) -> Self: ...  # msgspec gives it to every struct

    def model_dump(
        self,
        *,
        mode: str = "python",
        by_alias: bool = False,
        exclude_none: bool = False,
        exclude_defaults: bool = False,
        exclude_unset: bool = False,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """This value as a dict.

        Args:
            mode: ``"python"`` keeps bytes and enums; ``"json"`` gives what JSON can hold.
            by_alias: camelCase names instead of Python's.
            exclude_none: Leaves out fields (not keys of free-form dicts) that are None.
            exclude_defaults: Leaves out fields that equal their default.
            exclude_unset: The same as ``exclude_defaults``: a record does not remember what was set.
            include: The only fields of this record to show.
            exclude: Fields of this record not to show.
        """
        style = _Style(mode == "json", by_alias, exclude_none, exclude_defaults or exclude_unset)
        shown = _dump_record(self, style)
        if include is not None or exclude is not None:
            alias = _plan(type(self)).aliases if by_alias else {}
            kept = {alias.get(name, name) for name in include} if include is not None else set(shown)
            kept -= {alias.get(name, name) for name in exclude or ()}
            shown = {name: value for name, value in shown.items() if name in kept}
        return shown

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """This value as JSON text. Takes the options of :meth:`model_dump` and an ``indent`` in spaces."""
        options["mode"] = "json"
        data = msgspec.json.encode(self.model_dump(**options))
        return (msgspec.json.format(data, indent=indent) if indent else data).decode()

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """A record of this type from one like it: a record, a dict of either spelling, or a model of another library.

        Raises:
            InputValidationError: It does not fit; the message says where.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            dump: Callable[..., Any] | None = getattr(obj, "model_dump", None)
            if dump is None:
                raise InputValidationError(f"{cls.__name__} cannot be made of {type(obj).__name__} {obj!r:.80}")
            obj = dump(mode="json", exclude_none=True)
        try:
            return msgspec.convert(_spelled(cls, obj), cls)
        except (msgspec.ValidationError, ValueError) as error:
            raise InputValidationError(f"This is not a valid {cls.__name__}: {error}") from error

    @classmethod
    def model_validate_json(cls, json_data: str | bytes) -> Self:
        """The same from JSON text."""
        try:
            return cls.model_validate(msgspec.json.decode(json_data))
        except msgspec.DecodeError as error:
            raise InputValidationError(f"This is not valid JSON for a {cls.__name__}: {error}") from error

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with the fields in ``update`` replaced. ``deep`` copies all that it holds."""
        twin = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(twin, name, value)
        return twin


class _Style(typing.NamedTuple):
    json: bool
    by_alias: bool
    exclude_none: bool
    exclude_defaults: bool


class _Plan(typing.NamedTuple):
    """What must be known of a record type to dump it and to read it."""

    aliases: dict[str, str]
    spellings: dict[str, str]
    readers: dict[str, Callable[[Any], Any]]
    defaults: dict[str, Any]
    shown: tuple[str, ...]


@functools.cache
def _plan(kind: type[Record]) -> _Plan:
    hints = typing.get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    aliases = {field.name: field.encode_name for field in fields}
    readers = {field.encode_name: reader for field in fields if (reader := _reader(hints[field.name])) is not None}
    spellings = {alias: alias for alias in aliases.values()} | aliases
    defaults: dict[str, Any] = {}
    for field in fields:
        if field.default is not msgspec.NODEFAULT:
            defaults[field.name] = field.default
        elif isinstance(make := field.default_factory, type) and (make in (dict, list) or issubclass(make, Record)):
            defaults[field.name] = make()
    shown = tuple(name for name in aliases if name not in kind.transient)
    return _Plan(aliases, spellings, readers, defaults, shown)


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """How a field's JSON is made ready for msgspec; None where it needs nothing."""
    if isinstance(hint, type) and issubclass(hint, Record):
        return functools.partial(_spelled, hint)
    if hint is bytes:
        return _read_bytes
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, python_types.UnionType):
        return next((reader for part in arguments if (reader := _reader(part)) is not None), None)
    if origin is list and (item := _reader(arguments[0])) is not None:
        return functools.partial(_read_list, item)
    if origin is dict and (item := _reader(arguments[1])) is not None:
        return functools.partial(_read_dict, item)
    return None


def _read_list(item: Callable[[Any], Any], value: Any) -> Any:
    return [item(one) for one in cast("list[Any]", value)] if isinstance(value, list | tuple) else value


def _read_dict(item: Callable[[Any], Any], value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: item(one) for key, one in cast("Mapping[str, Any]", value).items()}


def _spelled(kind: type[Record], obj: Any) -> Any:
    """A dict with the JSON names that ``kind`` has, whichever spelling it came in."""
    if not isinstance(obj, Mapping):
        return msgspec.to_builtins(obj, builtin_types=(bytes,)) if isinstance(obj, Record) else obj
    plan = _plan(kind)
    result: dict[str, Any] = {}
    for key, value in cast("Mapping[str, Any]", obj).items():
        alias = plan.spellings.get(key)
        if alias is None:
            result[key] = value
        elif value is None:
            continue
        else:
            reader = plan.readers.get(alias)
            result[alias] = reader(value) if reader is not None else value
    return result


def _read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def _dump_record(record: Record, style: _Style) -> dict[str, Any]:
    plan = _plan(type(record))
    result: dict[str, Any] = {}
    for name in plan.shown:
        value = getattr(record, name)
        if value is None and style.exclude_none:
            continue
        if style.exclude_defaults and name in plan.defaults and plan.defaults[name] == value:
            continue
        result[plan.aliases[name] if style.by_alias else name] = _dump(value, style)
    return result


def _dump(value: Any, style: _Style) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Record):
        return _dump_record(value, style)
    if isinstance(value, Mapping):
        return {key: _dump(item, style) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, set | frozenset):
        return [_dump(item, style) for item in sorted(cast("Collection[Any]", value), key=str)]
    if isinstance(value, list | tuple):
        return [_dump(item, style) for item in cast("Collection[Any]", value)]
    if style.json:
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, bytes):
            return base64.urlsafe_b64encode(value).decode()
        if (dump := getattr(value, "model_dump", None)) is not None:
            return dump(mode="json", by_alias=style.by_alias, exclude_none=style.exclude_none)
        return msgspec.to_builtins(value)
    return value


class OpenEnum(enum.StrEnum):
    """An enum of strings that takes values which are newer than this release."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        known = cls.__members__.get(value.upper())
        if known is not None:
            return known
        member = str.__new__(cls, value)
        member._name_, member._value_ = value, value
        return member
