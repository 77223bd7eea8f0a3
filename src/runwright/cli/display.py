# SPDX-License-Identifier: Apache-2.0
"""What the commands print of runs: questions, tool calls as they run, answers as they are written, what it cost.

On a terminal that can be drawn on, what is under way is shown at the bottom and replaced by what came of it. Elsewhere
each thing is a line, and text is passed on as it comes.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from runwright.cli.console import clean, describe_result, value_text
from runwright.cli.meter import Cost, Meter
from runwright.event import Event
from runwright.invocation import CALLS_TO_USER, call_asked_about
from runwright.types import FunctionCall, FunctionResponse, text_of

Describe = Callable[[str, dict[str, Any]], str]
"""Says in a few words what a tool (its name) answered."""

_WIDTH = 100
_RESULT_CHARACTERS = 160


class Display:
    """Prints runs.

    Args:
        console: Where to.
        meter: What measures the runs.
        describe: Says what a tool answered.
        names: Whether to say who speaks: right where there are several agents.
    """

    def __init__(
        self, console: Console, meter: Meter, *, describe: Describe = describe_result, names: bool = False
    ) -> None:
        self.console = console
        self._meter = meter
        self._describe = describe
        self._names = names
        self._is_drawn = console.is_terminal and console.file.isatty() and not console.is_dumb_terminal
        encodes = (console.encoding or "").lower().startswith("utf")
        self._prompt, self._call, self._done, self._wrong = "❯→✓✗" if encodes else ">>+x"  # noqa: RUF001
        self._live: Live | None = None
        self._asked: dict[str, FunctionCall] = {}
        self._clear()

    def _clear(self) -> None:
        self._streams: dict[str, str] = {}
        self._calls: dict[str, FunctionCall] = {}
        self._progress: dict[str, str] = {}
        self._speaker = ""
        self._waiting: list[Event] = []
        self._said: str | None = None
        self.error: str | None = None

    @property
    def prompt(self) -> str:
        """What stands before a question."""
        return f"{self._prompt} "

    def question(self, text: str) -> None:
        """Prints what is asked."""
        self.console.print(Text.assemble((self.prompt, "mark"), (clean(text), "question")))

    def headline(self, title: str, text: str) -> None:
        """Prints what follows, or ends, a demo."""
        self.console.print(Text.assemble("\n", (title, "mark"), "\n", clean(text), "\n"))

    @contextmanager
    def running(self) -> Generator[None]:
        """The time of one run: what is under way is shown until it ends."""
        self._clear()
        # What the user was asked about goes on with the answer.
        self._calls, self._asked = {call_id: call for call_id, call in self._asked.items() if call_id}, {}
        self._meter.start()
        self.console.print()
        if not self._is_drawn:
            yield
            self._flush()
            return
        # Drawn anew a few times a second by a thread, so that waiting is seen whatever the event loop does.
        with Live(_Underway(self), console=self.console, transient=True, refresh_per_second=12) as self._live:
            try:
                yield
            finally:
                self._live = None

    def show(self, event: Event) -> None:
        """Prints an event."""
        if event.partial:
            self._hear(event)
            return
        self._streams.pop(event.author, None)
        if self._speaker and self._speaker != event.author:
            self._waiting.append(event)  # a line that is being written is not broken into
            return
        self._whole(event)
        waiting, self._waiting = self._waiting, []
        for other in waiting:
            self._whole(other)

    def cost(self) -> Cost:
        """Prints what the run cost, and gives it."""
        cost = self._meter.stop()
        self.note(f"{cost}\n")
        return cost

    def note(self, text: str, *, style: str = "dim") -> None:
        """Prints a remark."""
        shown = Text(clean(text), style=style)
        self.console.print(Padding(shown, (0, 0, 0, 2)) if self._is_drawn else shown)

    # --- events

    def _hear(self, event: Event) -> None:
        for report in event.get_function_responses():
            said = self._describe(report.name or "", report.response or {})
            self._progress[report.id or ""] = clean(" ".join(said.split()))[:_RESULT_CHARACTERS]
        text = clean(text_of(event.content))
        if self._is_drawn:
            self._streams[event.author] = self._streams.get(event.author, "") + text
        elif text and self._speaker in ("", event.author):
            if not self._speaker:
                self._speaker = event.author
                self._name(event.author)
            self._write(text)

    def _whole(self, event: Event) -> None:
        if event.error_code:
            self.error = f"{event.error_code}: {event.error_message}" if event.error_message else event.error_code
        if self._speaker == event.author:
            self._flush()
        elif text := clean(text_of(event.content)).strip():
            self._name(event.author)
            self.console.print(self._answer(text) if self._is_drawn else Text(f"{text}\n"))
        for call in event.get_function_calls():
            if call.name in CALLS_TO_USER:  # asked by those who have the answer
                about = call_asked_about(call)
                self._asked[about.id or ""] = about
                continue
            self._calls[call.id or ""] = call
            if not self._is_drawn:
                self.console.print(Text.assemble(f"{self._call} ", _called(call)))
        for response in event.get_function_responses():
            self._answered(response)

    def _answered(self, response: FunctionResponse) -> None:
        call = self._calls.pop(response.id or "", None) or FunctionCall(name=response.name)
        result = response.response or {}
        wrong = "error" in result
        said = clean(" ".join(self._describe(response.name or "", result).split()))
        said = said if len(said) <= _RESULT_CHARACTERS else f"{said[:_RESULT_CHARACTERS]}…"
        mark = Text(self._wrong, style="bad") if wrong else Text(self._done, style="good")
        took = _duration(self._meter.seconds_of(response.id))
        if not self._is_drawn:
            self.console.print(Text.assemble(mark, f" {clean(response.name or '')}  {took}\n    {said}\n"))
            return
        body = Text.assemble(_called(call), "\n", (said, "red" if wrong else "none"))
        self.console.print(self._row(mark, body, took), Text())

    def _name(self, author: str) -> None:
        if self._names and author != self._said:
            self.console.print(Text(f"  [{author}]" if self._is_drawn else f"[{author}]", style="dim"))
            self._said = author

    # --- how it looks

    def _answer(self, text: str) -> RenderableType:
        return Padding(_Narrow(_Answer(text)), (0, 2, 1, 2))

    def _row(self, mark: RenderableType, body: Text, took: str) -> RenderableType:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(ratio=1)
        row.add_column(justify="right", style="dim", no_wrap=True)
        row.add_row(mark, body, took)
        return Padding(_Narrow(row), (0, 2))

    def underway(self) -> Iterable[RenderableType]:
        """What is being written and done."""
        for text in self._streams.values():
            if text.strip():
                yield self._answer(text)
        for call_id, call in list(self._calls.items()):
            seconds = self._meter.seconds_of(call_id)
            shown = _called(call)
            if said := self._progress.get(call_id):
                shown.append(f"\n{said}", style="dim")
            yield self._row(_SPINNER, shown, "" if seconds is None else f"{seconds:.1f} s")
        if not self._calls and not any(text.strip() for text in self._streams.values()):
            yield self._row(_SPINNER, Text("thinking", style="dim"), "")

    def _write(self, text: str) -> None:
        self.console.file.write(text)
        self.console.file.flush()

    def _flush(self) -> None:
        if self._speaker:
            self._write("\n\n")
            self._speaker = ""


_SPINNER = Spinner("dots", style="cyan")


class _Narrow:
    """Something no wider than is read well."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._shown, options.update_width(min(options.max_width, _WIDTH)))


class _Answer:
    """Markdown without the empty lines that tables and lists put around themselves."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = Markdown(self._text, code_theme="ansi_light")
        gap = started = False
        for line in console.render_lines(shown, options.update(height=None), pad=False):
            if not "".join(segment.text for segment in line).strip():
                gap = started
                continue
            if gap:
                yield Segment.line()
            yield from line
            yield Segment.line()
            gap, started = False, True


class _Underway:
    """The lower end of what is under way, as much as fits on the screen."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(Group(*self._display.underway()), options.update(height=None), pad=False)
        for line in lines[-max(1, options.size.height - 2) :]:
            yield from line
            yield Segment.line()
        # The cursor rests on a line of its own: the ^C that a terminal echoes there must not break what is drawn.
        yield Segment(" ")


def _called(call: FunctionCall) -> Text:
    shown = Text.assemble((clean(call.name or "a tool"), "tool"))
    for key, value in (call.args or {}).items():
        shown.append(f"  {clean(key)}: ", style="dim")
        shown.append(value_text(value))
    return shown


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
