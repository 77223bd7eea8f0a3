# SPDX-License-Identifier: Apache-2.0
"""Replay: what the log already holds of a run that goes on.

A run that goes on runs its agents again from the top. What the log holds is taken from there in place of asking models,
calling tools and calling back: each agent gives its stored events again, in their order, to those that run it, and goes
on by itself where they end. So an agent that runs others needs to know nothing of resuming. The turn neither stores nor
yields what is given again.

The events of one branch lie in the order in which its agents ran. So an agent whose branch has events left, the next of
which is somebody else's, had ended; an agent whose branch has none left is where the run stopped, unless a branch that
its own is part of has some left.
"""

from collections import deque
from collections.abc import Collection, Sequence

from runwright.event import Event
from runwright.invocation import CALLS_TO_USER, asks_user

HOOKS = frozenset({"before", "after"})
"""What the ids of events start with that an agent's callbacks made before or after its run: nothing else tells."""


class Replay:
    """The stored events of the part of a run that is run again.

    Args:
        events: They, in their order. Reports of failures may be among them; they are passed over.
        known: The names of the agents of the tree. Events of others are of agents that a custom agent made itself, and
            may be below any.
    """

    def __init__(self, events: Sequence[Event], known: Collection[str]) -> None:
        self.ids = frozenset(event.id for event in events)
        self.events = events
        self._known = known
        self._left: dict[str | None, deque[Event]] = {}
        for event in events:
            if event.error_code is None or event.content is not None or _is_answer(event):
                self._left.setdefault(event.branch, deque()).append(event)

    def reached(self, branch: str | None) -> bool:
        """Whether ``branch`` is where the run stopped: it and those that it is part of have nothing left."""
        return not any(left and _leads_to(other, branch) for other, left in self._left.items())

    def has_left(self, names: Collection[str], branch: str | None) -> bool:
        """Whether events of these agents come next, in ``branch`` or in parts of it."""
        return any(
            left and self._is_of(left[0].author, names) and _leads_to(branch, other)
            for other, left in self._left.items()
        )

    def take(self, author: str, branch: str | None, hook: str = "") -> Event | None:
        """The next event of a branch, if it is ``author``'s, and its callback's where a ``hook`` is named: a copy."""
        left = self._left.get(branch)
        if not left or left[0].author != author or _made_by(left[0]) != hook:
            return None
        return left.popleft().private_copy()

    def take_more(self, said: Event, branch: str | None) -> Event | None:
        """The next event of a branch, if it is of the same answer of a model as ``said``."""
        left = self._left.get(branch)
        return self.take(said.author, branch) if left and left[0].id.startswith(f"{said.id}.") else None

    def take_response(self, author: str, branch: str | None) -> Event | None:
        """The next event of a branch, if it answers calls of ``author``, or asks the user about them."""
        left = self._left.get(branch)
        if not left or not (left[0].get_function_responses() or asks_user(left[0])):
            return None
        return self.take(author, branch)

    def take_code_result(self, author: str, branch: str | None) -> Event | None:
        """The next event of a branch, if it is the result of code that ``author`` wrote."""
        left = self._left.get(branch)
        return self.take(author, branch) if left and left[0].get_code_result() is not None else None

    def take_saved(self, name: str, below: Collection[str], branch: str | None) -> list[Event]:
        """What an agent and those below it had done when it last saved its state, or said that it has ended.

        Args:
            name: The agent.
            below: It, and all agents below it.
            branch: Where it runs.

        Returns:
            The events up to the one that has the state, which is the last; none where it saved nothing.
        """
        saved: Event | None = None
        for event in self._left.get(branch, ()):
            if event.author == name and (event.actions.agent_state is not None or event.actions.end_of_agent):
                saved = event
                if event.actions.end_of_agent:
                    break
        done: list[Event] = []
        for event in self.events if saved is not None else ():
            left = self._left.get(event.branch)
            if left and left[0] is event and self._is_of(event.author, below) and _leads_to(branch, event.branch):
                done.append(left.popleft().private_copy())
            if event is saved:
                break
        return done

    def below(self, path: str) -> "Replay":
        """Takes out what a workflow or a node of one, or whatever runs below ``path``, said."""
        start = f"{path}/"
        said = [event for event in self.events if f"{event.node_info.path}/".startswith(start)]
        taken = {event.id for event in said}
        for branch, left in self._left.items():
            self._left[branch] = deque(event for event in left if event.id not in taken)
        return Replay(said, self._known)

    def _is_of(self, author: str, names: Collection[str]) -> bool:
        return author in names or author not in self._known


def _made_by(event: Event) -> str:
    """The hook whose answer an event is, as its id tells; empty for what agents say themselves."""
    hook, _, _ = event.id.partition("-")
    return hook if hook in HOOKS else ""


def _is_answer(event: Event) -> bool:
    """Whether an event without a message is a model's, which answered with an error: those say where they are from."""
    return event.node_info.path.rpartition("/")[2].startswith(f"{event.author}@")


def _leads_to(branch: str | None, other: str | None) -> bool:
    """Whether ``other`` is ``branch`` or part of it."""
    return branch is None or branch == other or (other is not None and other.startswith(f"{branch}."))


def part_to_replay(events: Sequence[Event], invocation_id: str, *, whole: bool) -> list[Event]:
    """The events of a run since the user last spoke in it, or ``whole``, since it began; the user's first.

    Answers to questions that held up the run do not count: whoever runs the agent that asked goes on after it.
    """
    of_run = [event for event in events if event.invocation_id == invocation_id]
    asked = {call.id for event in of_run for call in event.get_function_calls() if call.name in CALLS_TO_USER}
    spoken = [
        index
        for index, event in enumerate(of_run)
        if event.author == "user"
        and event.content is not None
        and not any(answer.id in asked for answer in event.get_function_responses())
    ]
    if not spoken:
        return of_run
    return of_run[spoken[0] if whole else spoken[-1] :]
