# SPDX-License-Identifier: Apache-2.0
"""Declared: the base of what users subclass and configure by keyword (agents, models).

A subclass declares its fields as annotations, with or without defaults, and gets an ``__init__`` that takes them by
keyword; or it writes its own ``__init__`` and calls this one. Nothing is converted: what is given is what is kept.
"""

import copy
import difflib
import inspect
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self, dataclass_transform

from runwright.errors import ConfigurationError

if sys.version_info >= (3, 14):
    import annotationlib

    def _annotations(cls: type) -> dict[str, Any]:
        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
else:

    def _annotations(cls: type) -> dict[str, Any]:
        return vars(cls).get("__annotations__", {})


class _Required:
    def __repr__(self) -> str:
        return "<required>"


_REQUIRED = _Required()
_METHOD = object()
"""Stands for a field that a subclass defines as a method or a property: instances have what the class has."""


@dataclass_transform(kw_only_default=True)
class Declared:
    """Takes the annotated fields of its class and its bases as keywords."""

    declared: ClassVar[dict[str, Any]] = {}
    """Each field's default, by name, base classes first."""

    private: ClassVar[dict[str, Any]] = {}
    """The defaults of the attributes that begin with ``_`` and that each instance has for itself."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        fields: dict[str, Any] = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(vars(base).get("declared", {}))
        for name, annotation in _annotations(cls).items():
            if not name.startswith("_") and "ClassVar" not in str(annotation):
                fields[name] = _default(vars(cls).get(name, _REQUIRED))
        # Another default for a field of a base, without its type.
        for name in (fields.keys() & vars(cls).keys()) - _annotations(cls).keys():
            value: Any = vars(cls)[name]
            fields[name] = _METHOD if inspect.isroutine(value) or inspect.isdatadescriptor(value) else value
        cls.declared = fields
        cls.private = {}
        for base in reversed(cls.__mro__):
            annotations = _annotations(base)
            for name, value in vars(base).items():
                if name.startswith("_") and _is_own(value, annotations.get(name, "ClassVar")):
                    cls.private[name] = value

    model_config: ClassVar[Any] = {}
    """Taken from programs that were written for pydantic; of it, ``extra="allow"`` and ``"ignore"`` have a meaning."""

    model_fields_set: frozenset[str] = frozenset()
    """The names of the fields that were given, rather than left at their defaults; each instance has its own."""

    def __init__(self, **values: Any) -> None:
        kind = type(self)
        unknown = [name for name in values if name not in kind.declared]
        extra = kind.model_config.get("extra") if unknown else None
        if unknown and extra not in ("allow", "ignore"):
            raise ConfigurationError(f"{kind.__name__} takes no {kind.hint(unknown[0])}")
        for name in unknown:
            value = values.pop(name)
            if extra == "allow":
                setattr(self, name, value)
        for name, default in kind.private.items():
            if name not in vars(self):
                setattr(self, name, _fresh(default))
        self.model_fields_set = frozenset(values)
        for name, default in kind.declared.items():
            if name in values:
                value = values[name]
            elif default is _REQUIRED:
                raise ConfigurationError(f"{kind.__name__} needs {name}=...")
            elif default is _METHOD:
                continue
            else:
                value = _fresh(default)
            setattr(self, name, value)
        self.model_post_init(None)

    @classmethod
    def hint(cls, name: str) -> str:
        """What to say of a keyword that is no field."""
        near = difflib.get_close_matches(name, cls.declared, n=1)
        return f"{name}=" + (f": did you mean {near[0]}=?" if near else f"; it takes {', '.join(cls.declared)}")

    def model_post_init(self, context: Any, /) -> None:
        """Called once all fields are set. Override it to check or derive; the default does nothing."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A shallow copy, with the fields in ``update`` replaced."""
        twin = copy.copy(self)
        for name, value in (update or {}).items():
            if name not in type(self).declared:
                raise ConfigurationError(f"{type(self).__name__} has no {type(self).hint(name)}")
            setattr(twin, name, value)
        twin.model_fields_set = self.model_fields_set.union(update or ())
        return twin

    def __repr__(self) -> str:
        name = getattr(self, "name", None) or getattr(self, "model", None)
        return f"{type(self).__name__}({name!r})"


def _default(value: Any) -> Any:
    """A field's default; that of a field object of another library which has none is to be given."""
    inner = getattr(value, "default", None)
    missing = type(inner).__name__ in ("_MISSING_TYPE", "PydanticUndefinedType")
    return _REQUIRED if missing and not callable(getattr(value, "default_factory", None)) else value


def _is_own(value: Any, annotation: Any) -> bool:
    """Whether each instance has such an attribute for itself: pydantic's private ones, and annotated containers."""
    if type(value).__name__ == "ModelPrivateAttr":
        return True
    return type(value) in (list, dict, set) and "ClassVar" not in str(annotation)


def _fresh(default: Any) -> Any:
    """A default for one instance: containers are copied, and field objects of other libraries give what they hold."""
    if type(default) in (list, dict, set):
        return copy.copy(default)
    factory = getattr(default, "default_factory", None)
    if callable(factory):
        return factory()
    if factory is not None or type(default).__name__ in ("FieldInfo", "Field", "ModelPrivateAttr"):
        return getattr(default, "default", default)
    return default
