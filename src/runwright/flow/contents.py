# SPDX-License-Identifier: Apache-2.0
"""Contents: the messages of one request, which shares them with others until somebody looks."""

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from typing import Any, cast, overload

from runwright.types import Content, copy_content


class Contents(MutableSequence[Content]):
    """The messages of one request: a list that shares what it was made of until somebody looks.

    What it gives out are copies, which it keeps; so a callback may change a message, or the list, and changes this
    request alone, and looking at the newest message costs the same in a long conversation as in a short one.
    """

    __slots__ = ("_added", "_copies", "_length", "_own", "_shared")

    def __init__(self, shared: list[Content], length: int) -> None:
        self._shared = shared
        self._length = length
        self._copies: dict[int, Content] = {}
        self._added: list[Content] = []
        self._own: list[Content] | None = None

    def _list(self) -> list[Content]:
        if self._own is None:
            self._own = [self._copy(index) for index in range(self._length)] + self._added
        return self._own

    def _copy(self, index: int) -> Content:
        found = self._copies.get(index)
        if found is None:
            found = self._copies[index] = copy_content(self._shared[index])
        return found

    def __len__(self) -> int:
        return self._length + len(self._added) if self._own is None else len(self._own)

    @overload
    def __getitem__(self, index: int) -> Content: ...
    @overload
    def __getitem__(self, index: slice) -> list[Content]: ...
    def __getitem__(self, index: int | slice) -> Content | list[Content]:
        if self._own is not None:
            return self._own[index]
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError("there is no such message")
        return self._copy(at) if at < self._length else self._added[at - self._length]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._list()[index] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._list()[index]

    def insert(self, index: int, value: Content) -> None:
        if self._own is None and index >= len(self):
            self._added.append(value)
        else:
            self._list().insert(index, value)

    def __iter__(self) -> Iterator[Content]:
        return iter(self._list())

    def sort(self, *, key: Callable[[Content], Any], reverse: bool = False) -> None:
        self._list().sort(key=key, reverse=reverse)

    def copy(self) -> list[Content]:
        return list(self._list())

    __copy__ = copy

    def __add__(self, other: Iterable[Content]) -> list[Content]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Content]) -> list[Content]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | Contents) and self._list() == list(cast("Iterable[Content]", other))

    def __repr__(self) -> str:
        return repr(self._list())
