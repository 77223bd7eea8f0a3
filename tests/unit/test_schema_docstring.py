# SPDX-License-Identifier: Apache-2.0
"""What a docstring says about a tool and its parameters."""

from typing import (
    Annotated,
)

import pytest

from runwright.schema import Signature
from tests.unit.schema_samples import Item, Order

STYLES = {
    "google": """Sums up.

        More of it.

        Args:
            a (dict[str, tuple[int, int]], optional): The first: a number.
            *b: The second,
                on two lines.

                And a paragraph.

        Raises:
            ValueError: Never.

        Returns:
            The sum.
        """,
    "numpy": """
        Sums up.

        More of it.

        Parameters
        ----------
        a : int, optional
            The first: a number.
        *b
            The second,
            on two lines.

            And a paragraph.

        Returns
        -------
        int
            The sum.
        """,
    "rest": """Sums up.

        More of it.

        :param int a: The first: a number.
        :param b: The second,
            on two lines.
            And a paragraph.
        :type b: int
        :returns: The sum.
        :raises ValueError: Never.
        """,
}


class TestDocstrings:
    @pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
    def test_styles(self, text: str) -> None:
        def tool(a: int, b: int): ...

        tool.__doc__ = text
        signature = Signature.of(tool)
        assert signature.description == "Sums up.\n\nMore of it."
        assert signature.parameters["properties"] == {
            "a": {"type": "integer", "description": "The first: a number."},
            "b": {"type": "integer", "description": "The second, on two lines. And a paragraph."},
        }

    def test_annotated_wins_over_the_docstring(self) -> None:
        def tool(a: Annotated[int, "from the annotation"], b: Item, c: Order):
            """Does.

            Args:
                a: from the docstring
                c: What to do.
            """

        shown = Signature.of(tool).parameters["properties"]
        assert shown["a"]["description"] == "from the annotation"
        assert "description" not in shown["b"]
        assert shown["c"]["description"] == "What to do."

    @pytest.mark.parametrize(
        ("text", "description"),
        [
            (None, ""),
            ("", ""),
            ("Args:\n    a: One.", ""),
            ("Args:\n        a: One.\n            More.\n\n    Returns:\n        None.\n    ", ""),
            ("Does it. Returns: nothing.", "Does it. Returns: nothing."),
            ("Does it.\n\nReturns: nothing.\n\nSlowly.", "Does it.\n\nSlowly."),
            ("Does it.\n\nExample:\n    >>> f(1)", "Does it.\n\nExample:\n    >>> f(1)"),
            ("Does it.\n\nArguments are hard:\n    yes", "Does it.\n\nArguments are hard:\n    yes"),
            ("Does it.\n\nParameters: see there.", "Does it.\n\nParameters: see there."),
            ("Does it.\n\nNotes\n-----\nSlow.\n\nRaises\n------\nKeyError", "Does it.\n\nNotes\n-----\nSlow."),
            (":emphasis: stays.", ":emphasis: stays."),
        ],
    )
    def test_descriptions(self, text: str | None, description: str) -> None:
        def tool(a=None): ...

        tool.__doc__ = text
        assert Signature.of(tool).description == description

    def test_numpy_names_that_share_a_text(self) -> None:
        def tool(a, b, c):
            """Does.

            Parameters
            ----------
            a, b : int
                Both.
            c : str
            """

        shown = Signature.of(tool).parameters["properties"]
        assert shown == {"a": {"description": "Both."}, "b": {"description": "Both."}, "c": {}}
