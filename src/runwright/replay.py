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
from runwright.invocation import asks_user


class Replay:
    """The stored events of the part of a run that is run again.

    Args:
        events: They, in their order. Reports of failures may be among them; they are passed over.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.ids = frozenset(event.id for event in events)
        self._events = events
        self._left: dict[str | None, deque[Event]] = {}
        for event in events:
            if event.error_code is None or event.content is not None:
                self._left.setdefault(event.branch, deque()).append(event)

    def reached(self, branch: str | None) -> bool:
        """Whether ``branch`` is where the run stopped: it and those that it is part of have nothing left."""
        return not any(left and _leads_to(other, branch) for other, left in self._left.items())

    def has_left(self, names: Collection[str], branch: str | None) -> bool:
        """Whether events of these agents come next, in ``branch`` or in parts of it."""
        return any(left and left[0].author in names and _leads_to(branch, other) for other, left in self._left.items())

    def take(self, author: str, branch: str | None) -> Event | None:
        """The next event of a branch, if it is ``author``'s: a copy, for whoever runs the agent."""
        left = self._left.get(branch)
        return left.popleft().private_copy() if left and left[0].author == author else None

    def take_hooked(self, author: str, branch: str | None) -> Event | None:
        """The next event of a branch, if an agent's callback made it: those say nothing of where they are from."""
        left = self._left.get(branch)
        return self.take(author, branch) if left and not left[0].node_info.path else None

    def take_response(self, author: str, branch: str | None) -> Event | None:
        """The next event of a branch, if it answers calls of ``author``, or asks the user about them."""
        left = self._left.get(branch)
        if not left or not (left[0].get_function_responses() or asks_user(left[0])):
            return None
        return self.take(author, branch) or self.take("user", branch)

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
        for event in self._events if saved is not None else ():
            left = self._left.get(event.branch)
            if left and left[0] is event and event.author in below and _leads_to(branch, event.branch):
                done.append(left.popleft().private_copy())
            if event is saved:
                break
        return done

    def below(self, path: str) -> "Replay":
        """Takes out what a workflow or a node of one, or whatever runs below ``path``, said, and the user's answers."""
        start = f"{path}/"
        said = [event for event in self._events if f"{event.node_info.path}/".startswith(start)]
        asked = {call.id for event in said for call in event.get_function_calls()}
        taken = {event.id for event in said} | {
            event.id
            for event in self._events
            if event.author == "user" and any(answer.id in asked for answer in event.get_function_responses())
        }
        for branch, left in self._left.items():
            self._left[branch] = deque(event for event in left if event.id not in taken)
        return Replay([event for event in self._events if event.id in taken])


def _leads_to(branch: str | None, other: str | None) -> bool:
    """Whether ``other`` is ``branch`` or part of it."""
    return branch is None or branch == other or (other is not None and other.startswith(f"{branch}."))


def part_to_replay(events: Sequence[Event], invocation_id: str, *, whole: bool) -> list[Event]:
    """The events of a run since the user last spoke in it, or ``whole``, since it began; the user's first."""
    of_run = [event for event in events if event.invocation_id == invocation_id]
    spoken = [index for index, event in enumerate(of_run) if event.author == "user" and event.content is not None]
    if not spoken:
        return of_run
    return of_run[spoken[0] if whole else spoken[-1] :]
