# SPDX-License-Identifier: Apache-2.0
"""Types that the tests of schemas share."""

import dataclasses
import datetime
import enum
from typing import (
    Annotated,
    Any,
    Generic,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)

import msgspec
import pydantic
import pydantic.dataclasses
from typing_extensions import TypeAliasType

from runwright.schema import Signature

T = TypeVar("T")
UserId = NewType("UserId", int)
Words = TypeAliasType("Words", list[str])


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    ONE = 1
    WORD = "word"
    HALF = 0.5


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Sparse(TypedDict, total=False):
    key: Required[str]
    note: str


@dataclasses.dataclass
class Item:
    name: str
    price: Annotated[float, "in euros"] = 1.5
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Order:
    """What somebody buys.

    Attributes:
        items: What is in the basket.
    """

    items: list[Item]
    color: Color = Color.RED


@dataclasses.dataclass
class Tree:
    value: int
    children: list["Tree"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Box(Generic[T]):
    content: T
    more: list[T]


@dataclasses.dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("number must be even")


@dataclasses.dataclass
class Cat:
    name: str


@dataclasses.dataclass
class Dog:
    name: str
    breed: str


@dataclasses.dataclass
class Kennel:
    pet: Cat | Dog
    since: datetime.date | str = ""


class Point(msgspec.Struct, rename="camel"):
    """A place on the map."""

    grid_x: int
    grid_y: Annotated[int, msgspec.Meta(description="upwards", ge=0)] = 0


class Circle(msgspec.Struct, tag="circle", forbid_unknown_fields=True):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float


class Pair(msgspec.Struct, Generic[T]):
    left: T
    right: T


class User(pydantic.BaseModel):
    """Somebody."""

    name: str = pydantic.Field(description="the whole name")
    age: int = pydantic.Field(default=3, ge=0)


class Team(pydantic.BaseModel):
    lead: User
    title: str = "none"


class Crew(pydantic.BaseModel):
    users: list[User]

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Crew":
        if not self.users:
            raise ValueError("nobody")
        return self


class Node(pydantic.BaseModel):
    next: Optional["Node"] = None


@pydantic.dataclasses.dataclass
class Checked:
    low: int = pydantic.Field(ge=1, description="at least one")
    high: int = pydantic.Field(default=3, le=9)
    more: list[int] = pydantic.Field(default_factory=list)

    @pydantic.field_validator("low")
    @classmethod
    def _check(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("odd numbers only")
        return value


@dataclasses.dataclass
class Options:
    loud: bool = False


@dataclasses.dataclass
class Counted:
    name: str
    length: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.length = len(self.name)


class Wife(pydantic.BaseModel):
    of: Optional["Husband"] = None


class Husband(pydantic.BaseModel):
    of: Wife | None = None


class NotAType:
    pass


STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
UTC = datetime.timezone.utc  # noqa: UP017
ITEM_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "price": {"type": "number", "description": "in euros", "default": 1.5},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["name"],
}


def signature_for(tp: Any) -> Signature:
    def tool(x):
        return x

    tool.__annotations__ = {"x": tp}
    return Signature.of(tool)
