# SPDX-License-Identifier: Apache-2.0
"""Annotations: resolved where they are text, each by itself, and taken apart."""

import contextlib
import sys
import types
import typing
from collections.abc import Generator, Iterator
from typing import Annotated, Any, Union

from runwright.errors import UnsupportedTypeError

UNIONS = (Union, types.UnionType)


@contextlib.contextmanager
def explained(where: str) -> Generator[None]:
    """Turns what Python says about an annotation that it cannot read into an `UnsupportedTypeError`."""
    try:
        yield
    except NameError as error:
        raise UnsupportedTypeError(
            f"{where or 'type'}: the annotation names '{error.name}', which is not defined when the program runs. "
            "Import it outside of 'if TYPE_CHECKING:', and define types at the top of a module."
        ) from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise UnsupportedTypeError(f"{where or 'type'}: the annotation cannot be read: {error}.") from error


def class_annotations(tp: Any, cls: Any, where: str) -> dict[str, Any]:
    """The types of a class's attributes, with the parameters of a generic class filled in."""
    with explained(where):
        hints = typing.get_type_hints(cls, None, {cls.__name__: cls}, include_extras=True)
    given: dict[Any, Any] = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(tp), strict=False))
    for name, hint in hints.items() if given else ():
        # Python fills in what is inside of something.
        holder: Any = tuple[hint]
        if open_ones := holder.__parameters__:
            (hints[name],) = typing.get_args(holder[tuple(given.get(each, each) for each in open_ones)])
    return hints


def members(annotation: Any) -> Iterator[Any]:
    """The annotation, what an Annotated wraps, and the members of a union."""
    yield annotation
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    for inner in args[:1] if origin is Annotated else args if origin in UNIONS else ():
        yield from members(inner)


def or_none(annotation: Any) -> Any:
    """The annotation, which takes None too. What an Annotated says still is said about the whole."""
    if annotation in (Any, object):
        return annotation
    if typing.get_origin(annotation) is Annotated:
        inner, *extras = typing.get_args(annotation)
        return Annotated[(or_none(inner), *extras)]
    return Union[annotation, None]  # noqa: UP007  (which also takes None itself)


class Resolver:
    """Makes types of annotations written as text, with the names known to the code they stand in."""

    def __init__(self, code: Any) -> None:
        module = sys.modules.get(getattr(code, "__module__", None) or "")
        self._globals: dict[str, Any] = getattr(code, "__globals__", None) or (vars(module) if module else {})
        self._locals: dict[str, Any] = {}
        if isinstance(code, types.FunctionType) and code.__closure__:
            for name, cell in zip(code.__code__.co_freevars, code.__closure__, strict=True):
                with contextlib.suppress(ValueError):  # A name that is not assigned yet.
                    self._locals[name] = cell.cell_contents

    def __call__(self, annotation: Any, where: str) -> Any:
        def holder() -> None: ...

        holder.__annotations__ = {"it": annotation}
        with explained(where):
            return typing.get_type_hints(holder, self._globals, self._locals, include_extras=True)["it"]
