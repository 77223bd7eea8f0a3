# SPDX-License-Identifier: Apache-2.0
"""What holds for any value: it is read back as it was written, or refused in words."""

import datetime
import decimal
import uuid
from typing import (
    Any,
    Literal,
)

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runwright.errors import InputValidationError, ToolArgumentsError
from runwright.schema import schema_decoder
from tests.unit.schema_samples import (
    UTC,
    Cat,
    Circle,
    Color,
    Dog,
    Item,
    Kennel,
    Mixed,
    Order,
    Point,
    Square,
    Tree,
    User,
    signature_for,
)

NATIVE_AND_WALKED = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (bool, st.booleans()),
    (bytes, st.binary()),
    (uuid.UUID, st.uuids()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (datetime.date, st.dates()),
    (datetime.time, st.times()),
    (datetime.datetime, st.datetimes(timezones=st.just(UTC))),
    (datetime.timedelta, st.timedeltas(datetime.timedelta(days=-999), datetime.timedelta(days=999))),
    (Color, st.sampled_from(Color)),
    (Mixed, st.sampled_from(Mixed)),
    (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    (int | str | None, st.one_of(st.integers(), st.text(), st.none())),
    (list[int], st.lists(st.integers())),
    (set[int], st.sets(st.integers())),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
    (dict[int, str], st.dictionaries(st.integers(), st.text())),
    (
        Tree,
        st.recursive(st.builds(Tree, st.integers()), lambda t: st.builds(Tree, st.integers(), st.lists(t, max_size=3))),
    ),
    (Order, st.builds(Order, st.lists(st.builds(Item, st.text(), st.floats(0, 9), st.lists(st.text()))))),
    (Kennel, st.builds(Kennel, st.one_of(st.builds(Cat, st.text()), st.builds(Dog, st.text(), st.text())), st.dates())),
    (Point, st.builds(Point, st.integers(), st.integers(0))),
    (Circle | Square, st.one_of(st.builds(Circle, st.floats(0, 9)), st.builds(Square, st.floats(0, 9)))),
    (User, st.builds(User, name=st.text(), age=st.integers(0))),
]
SIGNATURES = [(signature_for(tp), schema_decoder(tp), values) for tp, values in NATIVE_AND_WALKED]


@given(st.data())
def test_what_is_written_as_json_is_read_back_equal(data: st.DataObject) -> None:
    signature, decode, values = data.draw(st.sampled_from(SIGNATURES))
    value = data.draw(values)
    text = msgspec.json.encode(value, enc_hook=lambda model: model.model_dump())
    for found in (signature.decode({"x": msgspec.json.decode(text)})["x"], decode(text)):
        assert found == value
        assert type(found) is type(value)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
def test_any_json_is_either_taken_or_refused_in_words(value: Any) -> None:
    for signature, decode, _ in SIGNATURES:
        try:
            signature.decode({"x": value})
        except ToolArgumentsError as error:
            assert "- x" in str(error)
        try:
            decode(value)
        except InputValidationError as error:
            assert "\n- " in str(error)
