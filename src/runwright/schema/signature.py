# SPDX-License-Identifier: Apache-2.0
"""A callable as a tool: its parameters, and what is written about it."""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any, cast

import msgspec

from runwright.errors import ConfigurationError, ToolArgumentsError, UnsupportedTypeError
from runwright.schema.annotations import Resolver, members, or_none
from runwright.schema.decoding import json_schema, validate_model
from runwright.schema.docstring import Docstring, class_docstring, parse_docstring
from runwright.schema.objects import Field, Object
from runwright.schema.reading import Reader
from runwright.schema.references import Definitions, Schema
from runwright.schema.report import Report, listed
from runwright.schema.shapes import is_native

if sys.version_info >= (3, 14):
    import annotationlib


class Signature:
    """A callable as a tool: what the model is shown of it, and how the arguments of a call are checked.

    Make one with `Signature.of`.

    Attributes:
        name: The callable's name, or the one that was given.
        description: The docstring without its sections on parameters, results and errors; ``""`` if there is none.
        parameters: A JSON Schema object with ``type``, ``properties`` and ``required``.
        returns: The JSON Schema of what it returns, or None where that is not annotated or has none.
        hidden: The names of the parameters that the model is not shown.
        takes_any_keyword: Whether it has ``**kwargs``, which take arguments of any other name.
    """

    name: str
    description: str
    parameters: Schema
    returns: Schema | None
    hidden: frozenset[str]
    takes_any_keyword: bool
    _object: Object
    _struct: Any  # Converts a whole call at once, where msgspec can.

    @classmethod
    def of(
        cls,
        func: Callable[..., Any],
        *,
        name: str | None = None,
        hidden: Collection[str] = (),
        hidden_type: Callable[[Any], bool] | None = None,
    ) -> "Signature":
        """Reads a function, method, `functools.partial`, class or callable object.

        Keywords that a partial has bound are neither shown nor taken. ``*args`` are left out. A parameter whose default
        is None takes null whatever its annotation says.

        Args:
            func: The callable.
            name: A name in place of the callable's own.
            hidden: Names of parameters that the model does not see; their annotations are not looked at.
            hidden_type: Tells from an annotation whether its parameter is hidden. It is asked about the annotation and
                about each member of a union, and gets the text of an annotation that cannot be resolved.

        Raises:
            UnsupportedTypeError: A parameter's type has no JSON Schema, or its annotation cannot be resolved.
            ConfigurationError: The callable has no signature that can be read, or a positional-only parameter.
        """
        target, bound = _innermost(func)
        self = cls()
        self.name = name or getattr(target, "__name__", "") or type(target).__name__
        signature = _read_parameters(func, self.name)
        resolve = Resolver(_code_of(target))
        free = [each for each in signature.parameters.values() if each.name not in bound]
        named = [each for each in free if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
        seen = [each for each in named if each.name not in hidden and not _is_hidden(each, resolve, hidden_type)]
        self.hidden = frozenset(each.name for each in named) - {each.name for each in seen}
        self.takes_any_keyword = any(each.kind is each.VAR_KEYWORD for each in free)
        docs = _read_docstrings(func, target)
        self.description = docs.description
        barred = self.hidden | (_named_parameters(target, self.name) - {each.name for each in seen})
        self._object = Object("keep" if self.takes_any_keyword else "refuse", barred)
        self._read(seen, resolve, docs.parameters)
        self.returns = None
        if signature.return_annotation is not signature.empty:
            with contextlib.suppress(UnsupportedTypeError):
                self.returns = json_schema(resolve(signature.return_annotation, ""))
        return self

    def _read(self, parameters: list[Parameter], resolve: Resolver, said: dict[str, str]) -> None:
        reader, defs = Reader(), Definitions()
        fields: list[Field] = []
        native: list[tuple[str, Any, Any]] = []
        for each in parameters:
            where = f"tool '{self.name}', parameter '{each.name}'"
            if each.kind is each.POSITIONAL_ONLY:
                raise ConfigurationError(
                    f"{where}: a model passes arguments by name, so remove the '/' that follows it."
                )
            annotation = Any if each.annotation is each.empty else resolve(each.annotation, where)
            annotation = or_none(annotation) if each.default is None else annotation
            required = each.default is each.empty
            fields.append(Field(each.name, each.name, reader.shape(annotation, where), required, each.default))
            # msgspec does not check defaults, so UNSET fits any type.
            native.append((each.name, annotation, msgspec.NODEFAULT if required else msgspec.UNSET))
        self._object.fill(fields, said)
        self.parameters = defs.finish(self._object.schema(defs))
        if self.takes_any_keyword:
            self.parameters["additionalProperties"] = True
        struct = msgspec.defstruct("Arguments", native, kw_only=True, forbid_unknown_fields=True)
        usable = reader.native and not self.takes_any_keyword and is_native(struct)
        self._struct = struct if usable else None

    def decode(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Checks the arguments of a call and makes the Python values for ``func(**values)``.

        What models get slightly wrong and is safe to mend is accepted: ``"5"`` or ``5.0`` for an integer, JSON text for
        an object or array, null for an argument or a field that has a default. Arguments that were not given are
        absent.

        Raises:
            ToolArgumentsError: Something does not fit. The message lists every problem, so that the model can
                correct its call at once.
        """
        if self._struct is None:
            return self._walk(args)
        try:
            found = msgspec.convert(args, self._struct, strict=False, dec_hook=validate_model)
        except (msgspec.ValidationError, TypeError):
            return self._walk(args)
        values = msgspec.structs.asdict(found)
        if len(values) == len(args):
            return values
        return {key: value for key, value in values.items() if value is not msgspec.UNSET}

    def _walk(self, args: Any) -> dict[str, Any]:
        report = Report()
        values = self._object.check(args, "", report)
        if report.problems:
            head = f"The arguments do not fit tool '{self.name}'. Correct them and call it again:"
            raise ToolArgumentsError(listed(head, report.problems))
        return values


def _is_hidden(parameter: Parameter, resolve: Resolver, hidden_type: Callable[[Any], bool] | None) -> bool:
    annotation: Any = parameter.annotation
    if hidden_type is None or annotation is parameter.empty:
        return False
    with contextlib.suppress(UnsupportedTypeError):  # A name for the type checker only may be known by its text.
        annotation = resolve(annotation, "")
    return any(hidden_type(part) for part in members(annotation))


def _innermost(func: Any) -> tuple[Any, set[str]]:
    """The function, class or callable object behind partials, methods and wrappers, and the keywords bound."""
    bound: set[str] = set()
    while True:
        if isinstance(func, functools.partial):
            partial = cast("functools.partial[Any]", func)
            bound.update(partial.keywords)
            func = partial.func
        elif inspect.ismethod(func):
            func = func.__func__
        elif not isinstance(func, type) and hasattr(func, "__wrapped__"):
            func = func.__wrapped__
        else:
            return func, bound


def _code_of(target: Any) -> Any:
    """The function or class whose code the annotations of a callable stand in."""
    is_object = not isinstance(target, type) and not inspect.isroutine(target)
    return _innermost(type(target).__call__)[0] if is_object else target


def _read_parameters(func: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        if sys.version_info >= (3, 14):
            return inspect.signature(func, annotation_format=annotationlib.Format.FORWARDREF)
        return inspect.signature(func)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"tool '{name}': its parameters cannot be read ({error}). Wrap it in a function with annotated parameters."
        ) from error


def _named_parameters(target: Any, name: str) -> frozenset[str]:
    """The names of all parameters, with those that a method or partial has filled."""
    parameters = _read_parameters(target, name).parameters.values()
    return frozenset(each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD))


def _read_docstrings(func: Any, target: Any) -> Docstring:
    """What is written about a call: of several texts, the most telling first."""
    if isinstance(target, type):
        texts = [class_docstring(target), getattr(vars(target).get("__init__"), "__doc__", None)]
    elif inspect.isroutine(target):
        outer = None if isinstance(func, functools.partial) else getattr(func, "__doc__", None)
        texts = [outer, target.__doc__]
    else:
        texts = [type(target).__call__.__doc__, class_docstring(type(target))]
    docs = [parse_docstring(text) for text in texts]
    said = {key: text for doc in reversed(docs) for key, text in doc.parameters.items()}
    return Docstring(next((doc.description for doc in docs if doc.description), ""), said)
