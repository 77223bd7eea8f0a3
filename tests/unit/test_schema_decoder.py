# SPDX-License-Identifier: Apache-2.0
"""JSON values and text checked against a type or a JSON Schema."""

import datetime
import json
import subprocess
import sys
from typing import (
    Any,
)

import pytest

from runwright.errors import InputValidationError
from runwright.schema import json_schema, schema_decoder
from tests.unit.schema_samples import Color, Item


class TestDecoder:
    def test_text_that_is_no_json(self) -> None:
        decode = schema_decoder(Item, where="agent 'a', output")
        with pytest.raises(InputValidationError) as caught:
            decode("I think so")
        assert str(caught.value) == (
            "agent 'a', output does not fit its schema:\n- expected an object with name, got \"I think so\""
        )
        with pytest.raises(InputValidationError, match="expected an object with name, but the text is not JSON: "):
            decode('{"name": "pe')
        with pytest.raises(InputValidationError, match="expected a string, but the text is not JSON"):
            schema_decoder(str)(b"\xff")

    @pytest.mark.parametrize(
        ("tp", "value", "expected"),
        [
            (str, "plain", "plain"),
            (str, '"quoted"', "quoted"),
            (str, "5", "5"),
            (Color, "red", Color.RED),
            (datetime.date, "2025-01-31", datetime.date(2025, 1, 31)),
            (Any, "plain", "plain"),
            (list[Item], '[{"name": "pen"}]', [Item("pen")]),
        ],
    )
    def test_text_may_be_the_value_itself(self, tp: Any, value: Any, expected: Any) -> None:
        assert schema_decoder(tp)(value) == expected

    PLAIN = {
        "type": "object",
        "properties": {
            "name": {"type": "STRING"},
            "size": {"type": "integer"},
            "price": {"type": ["number", "null"]},
            "kind": {"enum": ["a", 1]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": "string", "nullable": True},
            "inner": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "additionalProperties": False},
        },
        "required": ["name", "size"],
    }

    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"price": 1},
            {"price": None},
            {"kind": 1},
            {"tags": ["a"]},
            {"note": None},
            {"inner": {"deep": True}},
            {"size": 2.0},
            {"unknown": 1},
        ],
    )
    def test_a_plain_schema(self, more: dict[str, Any]) -> None:
        value = {"name": "n", "size": 1, **more}
        decode = schema_decoder(self.PLAIN)
        assert decode(value) == value
        assert decode(json.dumps(value)) == value
        assert json_schema(self.PLAIN) == self.PLAIN

    def test_a_plain_schema_lists_every_problem(self) -> None:
        value = {
            "size": True,
            "price": "x",
            "kind": True,
            "tags": ["a", 2],
            "note": 3,
            "inner": {"deep": 0, "more": 1},
        }
        with pytest.raises(InputValidationError) as caught:
            schema_decoder(self.PLAIN)(value)
        assert str(caught.value) == (
            "The value does not fit its schema:\n"
            "- name: missing, expected string\n"
            "- size: expected integer, got true\n"
            '- price: expected number or null, got "x"\n'
            '- kind: expected one of "a", 1, got true\n'
            "- tags[1]: expected string, got 2\n"
            "- note: expected string or null, got 3\n"
            "- inner.deep: expected boolean, got 0\n"
            "- inner.more: unknown, the keys are deep"
        )
        with pytest.raises(InputValidationError, match="expected object, got \\[\\]"):
            schema_decoder(self.PLAIN)([])


def test_importing_it_brings_no_pydantic() -> None:
    unwanted = ["pydantic", "asyncio", "email", "logging"]
    code = f"import sys, runwright.schema; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
