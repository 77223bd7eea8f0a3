# SPDX-License-Identifier: Apache-2.0
"""What went wrong, told shortly: the error, and of its traceback only what is the user's own."""

import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
_FRAMES = 5


def is_own(path: str | Path) -> bool:
    """Tell whether a source file is the user's: no library, not Python's and not Runwright's."""
    if str(path).startswith("<"):
        return False
    real = Path(path).resolve()
    return not real.is_relative_to(_OURS) and not any(real.is_relative_to(library) for library in _LIBRARIES)


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Give the frames of an error's traceback that are the user's own, the innermost last."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]


def one_line(error: BaseException) -> str:
    """Give the error's kind and message, and where in the user's own code it came from."""
    said = traceback.format_exception_only(error)[-1].strip()
    kind, _, message = said.partition(": ")
    text = f"{kind.rpartition('.')[2]}: {message}" if message else kind.rpartition(".")[2]
    frames = own_frames(error)
    return f"{text} ({_shown(frames[-1].filename)}, line {frames[-1].lineno}, in {frames[-1].name})" if frames else text


def short_traceback(error: BaseException) -> str:
    """Give the user's own last frames with their lines; for a syntax error, the line that is wrong."""
    lines = [
        f"  {_shown(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
        for frame in own_frames(error)[-_FRAMES:]
    ]
    if isinstance(error, SyntaxError) and error.filename:
        place = f"  {_shown(error.filename)}, line {error.lineno}"
        lines.append("\n".join([place, *_marked(error)]))
    return "\n".join(lines)


def _marked(error: SyntaxError) -> list[str]:
    lines = [line.rstrip("\n") for line in traceback.format_exception_only(error)]
    return [line for part in lines for line in part.split("\n")][1:-1]


def _shown(filename: str) -> str:
    """Give a path as it is read best: from here, where it is below."""
    path = Path(filename)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
