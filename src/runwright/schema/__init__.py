# SPDX-License-Identifier: Apache-2.0
"""From Python types to the JSON Schema that a model is shown, and from JSON back to checked Python values.

A type is read once into a tree of shapes. A shape gives its JSON Schema and checks a value, listing every problem.
Where msgspec understands the whole type, it converts right values by itself in one go, and the tree is walked only to
explain a wrong one, or to accept what models get slightly wrong.

The parts, each standing on those below it:

- `signature`: `Signature`, a callable as a tool.
- `decoding`: `json_schema` and `schema_decoder`, for a type by itself.
- `reading`: types become shapes.
- `objects`: the shapes with named fields: arguments, classes, pydantic models, schemas written by hand.
- `shapes`: what a shape is, the shapes of all other types, and the limits on them.
- `annotations`, `docstring`: annotations resolved; docstrings taken apart.
- `references`, `report`: types that contain themselves; how problems are told.
"""

from runwright.schema.decoding import json_schema, read_answer, schema_decoder
from runwright.schema.signature import Signature

__all__ = ["Signature", "json_schema", "read_answer", "schema_decoder"]
