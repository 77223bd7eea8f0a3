# SPDX-License-Identifier: Apache-2.0
"""What a docstring says about a callable or a class: its description and its parameters.

Google, NumPy and reST (Sphinx) styles are read, also mixed. Nothing here raises on odd text: what is not understood
stays in the description.
"""

import inspect
import re
from typing import Any, NamedTuple


class Docstring(NamedTuple):
    """A docstring, taken apart.

    Attributes:
        description: The summary and the body, without the sections about parameters, results and errors.
        parameters: What is said about each parameter, on one line, by its name without stars.
    """

    description: str
    parameters: dict[str, str]


_PARAMETERS = {
    *("args", "arguments", "attributes", "keyword args", "keyword arguments"),
    *("other parameters", "parameters", "params"),
}
_OUTCOMES = {"raises", "receives", "return", "returns", "warns", "yield", "yields"}

_GOOGLE_HEADER = re.compile(r"(?P<title>[A-Za-z]+(?: [A-Za-z]+)?)\s*:(?P<rest>\s+\S.*)?$")
_GOOGLE_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+)\s*(?:\(.*?\))?\s*:(?:\s+(?P<text>.*))?$")
_NUMPY_RULE = re.compile(r"-{3,}\s*$")
_NUMPY_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::(?P<text>).*)?$")
_REST_FIELD = re.compile(r":(?P<kind>\w+)(?:\s+(?P<subject>[^:]*))?:(?:\s+(?P<text>.*))?$")
_REST_PARAMETER = {"arg", "argument", "key", "keyword", "kwarg", "param", "parameter"}
_REST_OUTCOME = {"except", "exception", "raise", "raises", "return", "returns", "rtype", "type", "yield", "yields"}


def parse_docstring(text: str | None) -> Docstring:
    """Takes a docstring apart.

    Args:
        text: The docstring as it is written, or None.

    Returns:
        The description (an empty string if there is none) and the parameters' texts.
    """
    lines = _cleaned(text or "")
    kept: list[str] = []
    parameters: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        if (field := _REST_FIELD.match(line)) and field["kind"] in _REST_PARAMETER | _REST_OUTCOME:
            end = _end_of_indented(lines, at + 1)
            words = (field["subject"] or "").split()
            if field["kind"] in _REST_PARAMETER and words:
                parameters[words[-1].lstrip("*")] = _joined([field["text"] or "", *lines[at + 1 : end]])
        elif (title := _numpy_title(lines, at)) in _PARAMETERS | _OUTCOMES:
            end = next((n for n in range(at + 2, len(lines)) if _numpy_title(lines, n)), len(lines))
            if title in _PARAMETERS:
                parameters |= _entries(lines[at + 2 : end], _NUMPY_ENTRY)
        elif title := _google_title(lines, at):
            end = _end_of_indented(lines, at + 1)
            if title in _PARAMETERS:
                parameters |= _entries(lines[at + 1 : end], _GOOGLE_ENTRY)
        else:
            kept.append(line)
            end = at + 1
        at = end
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return Docstring(description, {name: said for name, said in parameters.items() if said})


def class_docstring(cls: Any) -> str:
    """The class's own docstring, unless the standard library made it up."""
    text: str = cls.__dict__.get("__doc__") or ""
    made_up = hasattr(cls, "__dataclass_fields__") and text.startswith(f"{cls.__name__}(")
    return "" if made_up else text


def _cleaned(text: str) -> list[str]:
    lines = inspect.cleandoc(text).splitlines()
    if lines and lines[0].endswith(":") and lines[0].rstrip(" :").lower() in _PARAMETERS:
        # A section on the very first line: cleaning took its entries' margin away, up to the next section.
        end = next((at for at in range(1, len(lines)) if _google_title(lines, at)), None)
        lines[1:end] = [f"    {line}" for line in lines[1:end]]
    return lines


def _google_title(lines: list[str], at: int) -> str:
    header = _GOOGLE_HEADER.match(lines[at])
    title = header["title"].lower() if header else ""
    if header and header["rest"]:
        # "Returns: the sum." on one line is common; "Parameters: see below" is prose.
        return title if title in _OUTCOMES else ""
    return title if title in _PARAMETERS | _OUTCOMES and _end_of_indented(lines, at + 1) > at + 1 else ""


def _numpy_title(lines: list[str], at: int) -> str:
    underlined = at + 1 < len(lines) and _NUMPY_RULE.match(lines[at + 1])
    return lines[at].strip().lower() if underlined else ""


def _end_of_indented(lines: list[str], start: int) -> int:
    """The end of the block of indented and blank lines; trailing blank lines are not part of it."""
    end = start
    for number in range(start, len(lines)):
        if lines[number].strip():
            if not lines[number][0].isspace():
                break
            end = number + 1
    return end


def _entries(lines: list[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """The texts by name: a line at the margin that fits the pattern starts an entry, any other continues it."""
    margin = min((_indent(line) for line in lines if line.strip()), default=0)
    said: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        if line.strip() and _indent(line) == margin and (entry := pattern.match(line.strip())):
            names = [name.strip().lstrip("*") for name in entry["names"].split(",")]
            said |= {name: [entry["text"] or ""] for name in names}
        else:
            for name in names:
                said[name].append(line)
    return {name: _joined(texts) for name, texts in said.items()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
