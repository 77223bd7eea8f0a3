# SPDX-License-Identifier: Apache-2.0
"""What of a model's answer is code to run, and what of a request are files for it (pure)."""

from runwright import clock
from runwright.code_executor import File
from runwright.event import LOCAL_CODE_ID_PREFIX
from runwright.model import LlmRequest
from runwright.types import ExecutableCode, Language, Part

_CSV = "text/csv"


def up_to_code(parts: list[Part], delimiters: list[tuple[str, str]], *, plans: bool) -> list[Part] | None:
    """An answer's parts up to its first code, which is a part of its own; None where there is none to run.

    Args:
        plans: Whether a planner marks as thoughts what the model says before its answer. Code in thoughts that are the
            model's own is none.
    """
    for index, part in enumerate(parts):
        if part.function_call is not None:
            return None  # The calls come first: what comes of them may change the code.
        if part.executable_code is not None and part.executable_code.code:
            following = parts[index + 1] if index + 1 < len(parts) else None
            if following is None or following.code_execution_result is None:
                return [*parts[:index], _to_run(part, part.executable_code.code)]
        elif part.text and not (part.thought and (part.thought_signature is not None or not plans)):
            found = _first_block(part.text, delimiters)
            if found is not None:
                before, code = found
                # Signatures and the like stay with the first of what the part becomes.
                if not before:
                    return [*parts[:index], _to_run(part, code)]
                return [*parts[:index], part.model_copy(update={"text": before}), _to_run(Part(), code)]
    return None


def _to_run(part: Part, code: str) -> Part:
    made = ExecutableCode(code=code, language=Language.PYTHON, id=f"{LOCAL_CODE_ID_PREFIX}{clock.new_id()}")
    return part.model_copy(update={"text": None, "thought": None, "executable_code": made})


def _first_block(text: str, delimiters: list[tuple[str, str]]) -> tuple[str, str] | None:
    """What stands before the first block of code, and the code."""
    found: list[tuple[int, str]] = []
    for lead, trail in delimiters:
        start = text.find(lead)
        end = text.find(trail, start + len(lead)) if start >= 0 else -1
        if end > start + len(lead):
            found.append((start, text[start + len(lead) : end]))
    if not found:
        return None
    start, code = min(found)
    return text[:start], code


def data_files(request: LlmRequest) -> list[File]:
    """The CSV files in the user's messages. In the request their names take their place."""
    files: list[File] = []
    for content in request.contents:
        for part in (content.parts or ()) if content.role == "user" else ():
            blob = part.inline_data
            if blob is not None and blob.mime_type == _CSV and blob.data is not None:
                name = (blob.display_name or "").replace("\\", "/").rpartition("/")[2]
                if name in ("", ".", "..") or any(file.name == name for file in files):
                    name = f"data_{len(files) + 1}.csv"
                files.append(File(name=name, content=blob.data, mime_type=_CSV))
                part.inline_data, part.text = None, f"\nAvailable file: `{name}`\n"
    return files
