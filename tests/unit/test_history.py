# SPDX-License-Identifier: Apache-2.0
"""Which messages a model sees: for any log, seen at once or as it grows; and the list that it is shown them in."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright import Event, EventActions, types
from runwright.event import LOCAL_CODE_ID_PREFIX
from runwright.flow.contents import Contents
from runwright.flow.history import View, Viewer, current_turn, messages, without_rewound

ME = Viewer("me")


def text(author, words, *, branch=None, invocation="i", **more):
    return Event(
        author=author,
        branch=branch,
        invocation_id=invocation,
        content=types.Content(role="user" if author == "user" else "model", parts=[types.Part(text=words)]),
        **more,
    )


def calls(author, *ids, branch=None, words=None, invocation="i"):
    parts = [types.Part(function_call=types.FunctionCall(id=one, name="look", args={"of": one})) for one in ids]
    if words:
        parts.insert(0, types.Part(text=words))
    return Event(
        author=author, branch=branch, invocation_id=invocation, content=types.Content(role="model", parts=parts)
    )


def answers(author, *ids, branch=None, value=1, invocation="i"):
    parts = [types.Part.from_function_response(name="look", response={"got": value}) for _ in ids]
    for part, one in zip(parts, ids, strict=True):
        part.function_response.id = one
    return Event(
        author=author, branch=branch, invocation_id=invocation, content=types.Content(role="user", parts=parts)
    )


def code(author, words=None, *, invocation="i"):
    made = types.ExecutableCode(code="1", language=types.Language.PYTHON, id=f"{LOCAL_CODE_ID_PREFIX}1")
    parts = [*([types.Part(text=words)] if words else []), types.Part(executable_code=made)]
    return Event(author=author, invocation_id=invocation, content=types.Content(role="model", parts=parts))


def outcome(author, *, invocation="i"):
    came = types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="one", id=f"{LOCAL_CODE_ID_PREFIX}1")
    content = types.Content(role="model", parts=[types.Part(code_execution_result=came)])
    return Event(author=author, invocation_id=invocation, content=content)


def rewind(invocation):
    return Event(author="user", actions=EventActions(rewind_before_invocation_id=invocation))


def brief(contents):
    """One line a message."""
    return [
        " ".join(
            part.text
            or (part.function_call and f"{part.function_call.id}?")
            or f"{part.function_response.id}={part.function_response.response['got']}"
            for part in content.parts
        )
        for content in contents
    ]


LOGS = {
    "a call and its answer": (
        [text("user", "u"), calls("me", "a"), answers("me", "a"), text("me", "t")],
        ["u", "a?", "a=1", "t"],
    ),
    "several calls, answered in another order": (
        [calls("me", "a", "b"), answers("me", "b", value=2), answers("me", "a")],
        ["a? b?", "a=1 b=2"],
    ),
    "a call that has no answer": ([text("user", "u"), calls("me", "a", words="w"), text("me", "t")], ["u", "w", "t"]),
    "one of two calls answered": ([calls("me", "a", "b"), answers("me", "b")], ["b?", "b=1"]),
    "an answer to no call": ([text("user", "u"), answers("user", "x"), text("me", "t")], ["u", "t"]),
    "several answers: the newest counts": (
        [calls("me", "a"), answers("me", "a"), text("me", "t"), answers("me", "a", value=2), text("me", "v")],
        ["a?", "a=2", "t", "v"],
    ),
    "a late answer: the model goes on from it": (
        [
            text("user", "u"),
            calls("me", "a"),
            answers("me", "a"),
            text("me", "t"),
            text("user", "w"),
            answers("user", "a", value=2),
        ],
        ["u", "a?", "a=2"],
    ),
    "and after it all is there again": (
        [calls("me", "a"), answers("me", "a"), text("user", "w"), answers("user", "a", value=2), text("me", "v")],
        ["a?", "a=2", "w", "v"],
    ),
    "others are retold": (
        [text("you", "t"), calls("you", "a"), answers("you", "a")],
        [
            "For context: [you] said: t",
            'For context: [you] called tool `look` with parameters: {"of":"a"}',
            'For context: [you] `look` tool returned result: {"got":1}',
        ],
    ),
    "a rewind takes back": (
        [
            text("user", "u", invocation="1"),
            text("me", "t", invocation="1"),
            text("user", "v", invocation="2"),
            rewind("2"),
            text("user", "w"),
        ],
        ["u", "t", "w"],
    ),
    "partial and empty ones are not seen": (
        [text("me", "half", partial=True), text("me", ""), Event(author="me"), text("me", "t")],
        ["t"],
    ),
    "the same id again, for another call": (
        [
            calls("me", "a"),
            answers("me", "a"),
            text("me", "t"),
            calls("me", "a"),
            answers("me", "a", value=2),
            text("me", "v"),
        ],
        ["a?", "a=1", "t", "a?", "a=2", "v"],
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_seen_of_a_log(name):
    log, expected = LOGS[name]
    assert brief(messages(log, ME)) == expected


@pytest.mark.parametrize("name", LOGS)
def test_a_view_that_grows_event_by_event_sees_the_same(name):
    log, _ = LOGS[name]
    view = View(ME)
    for end in range(len(log) + 1):
        assert view.snapshot(log[:end]) == messages(log[:end], ME)


@pytest.mark.parametrize(
    ("event_branch", "viewer_branch", "visible"),
    [
        (None, None, True),
        (None, "a", True),
        ("a", None, True),
        ("a", "a", True),
        ("a", "a.b", True),
        ("a", "ab", False),
        ("a.b", "a", False),
        ("a.b", "a.c", False),
        ("b", "a", False),
    ],
)
def test_an_event_is_seen_on_its_branch_and_those_it_leads_to(event_branch, viewer_branch, visible):
    seen = messages([text("me", "t", branch=event_branch)], Viewer("me", viewer_branch))
    assert bool(seen) is visible


def test_thoughts_of_others_are_seen_only_where_that_is_wanted():
    log = [Event(author="you", content=types.Content(role="model", parts=[types.Part(text="hm", thought=True)]))]
    assert messages(log, ME) == []
    assert brief(messages(log, Viewer("me", sees_thoughts=True))) == ["For context: [you] said: hm"]


def test_the_current_turn_starts_where_somebody_else_last_spoke():
    log = [text("user", "u"), text("me", "t"), text("user", "v"), calls("me", "a"), answers("user", "a")]
    assert list(current_turn(log, ME)) == log[2:]
    log.append(text("you", "w"))
    assert list(current_turn(log, ME)) == log[5:]
    assert list(current_turn(log[:2], Viewer("me", "x"))) == log[:2]


# --- any log

IDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
AUTHORS = st.sampled_from(["user", "me", "me", "you"])
BRANCHES = st.sampled_from([None, None, "x", "x.y", "z"])
INVOCATIONS = st.sampled_from("123")
EVENTS = st.one_of(
    st.builds(text, AUTHORS, st.sampled_from(["p", "q", ""]), branch=BRANCHES, invocation=INVOCATIONS),
    st.builds(
        lambda author, ids, words, branch, invocation: calls(
            author, *ids, words=words, branch=branch, invocation=invocation
        ),
        st.sampled_from(["me", "me", "you"]),
        IDS,
        st.sampled_from([None, "w"]),
        BRANCHES,
        INVOCATIONS,
    ),
    st.builds(
        lambda author, ids, branch, value, invocation: answers(
            author, *ids, branch=branch, value=value, invocation=invocation
        ),
        AUTHORS,
        IDS,
        BRANCHES,
        st.integers(1, 3),
        INVOCATIONS,
    ),
    st.builds(code, st.sampled_from(["me", "you"]), st.sampled_from([None, "w"]), invocation=INVOCATIONS),
    st.builds(outcome, st.sampled_from(["me", "you"]), invocation=INVOCATIONS),
    st.builds(rewind, INVOCATIONS),
)
LOGS_OF_ALL_KINDS = st.lists(EVENTS, max_size=14)
AS_TEXT = (("<", ">"), ("[", "]"))
VIEWERS = st.builds(Viewer, st.just("me"), BRANCHES, code_as=st.sampled_from([None, AS_TEXT]))


# Of one agent that calls, is answered late, twice or not at all, and talks on: where the order of things matters most.
LOGS_OF_CALLS = st.lists(
    st.sampled_from(
        [
            text("user", "u"),
            text("me", "t"),
            text("you", "v"),
            calls("me", "a"),
            calls("me", "b", "a"),
            calls("me", "b"),
            answers("me", "a"),
            answers("user", "a", value=2),
            answers("me", "b", "a"),
            answers("user", "b", value=3),
        ]
    ),
    max_size=10,
)


@settings(max_examples=600)
@given(LOGS_OF_ALL_KINDS | LOGS_OF_CALLS, VIEWERS, st.lists(st.booleans(), min_size=14, max_size=14))
def test_a_log_seen_as_it_grows_is_seen_as_at_once(log, viewer, looks):
    view = View(viewer)
    for end in range(len(log) + 1):
        if end == len(log) or looks[end]:
            assert list(view.snapshot(log[:end])) == messages(log[:end], viewer)


@settings(max_examples=400)
@given(LOGS_OF_ALL_KINDS | LOGS_OF_CALLS, VIEWERS)
def test_each_call_has_its_one_response_right_behind_it(log, viewer):
    seen = messages(log, viewer)
    for at, content in enumerate(seen):
        called = [part.function_call.id for part in content.parts if part.function_call is not None]
        answered = [part.function_response.id for part in content.parts if part.function_response is not None]
        if called:
            following = seen[at + 1].parts
            assert [part.function_response.id for part in following] == called
        if answered:
            before = [part.function_call.id for part in seen[at - 1].parts if part.function_call is not None]
            assert at > 0 and before == answered and len(answered) == len(content.parts)


@settings(max_examples=150)
@given(LOGS_OF_ALL_KINDS, VIEWERS)
def test_looking_changes_nothing(log, viewer):
    before = copy.deepcopy(log)
    view = View(viewer)
    first = view.snapshot(log)
    for content in first:
        content.parts.clear()
    for content in messages(log, viewer):
        content.parts.clear()
    assert log == before
    assert list(view.snapshot(log)) == messages(log, viewer)


@given(LOGS_OF_ALL_KINDS)
def test_what_is_rewound_is_gone(log):
    kept = list(without_rewound(log))
    assert [event for event in log if event in kept] == kept
    assert not any(event.actions.rewind_before_invocation_id for event in kept)


def test_code_is_text_between_what_it_is_to_stand_between():
    log = [text("user", "u"), code("me", "w"), outcome("me"), code("you"), outcome("you")]
    seen = messages(log, Viewer("me", code_as=AS_TEXT))
    assert [content.role for content in seen] == ["user", "model", "user", "user", "user"]
    assert brief(seen)[:3] == ["u", "w <1>", "[one]"]
    assert brief(seen)[3:] == [
        "For context: [you] wrote code:\n```\n1\n```",
        "For context: [you] its code's result:\n```\none\n```",
    ]
    assert messages(log, ME)[1:3] == [log[1].content, log[2].content]


# --- the list that a request holds


def said(number):
    return types.UserContent(f"m{number}")


def shown(count):
    return Contents([said(number) for number in range(count + 2)], count)


INDEXES = st.integers(-6, 6)
SLICES = st.builds(slice, st.none() | INDEXES, st.none() | INDEXES, st.sampled_from([None, 1, 2, -1]))
NEW = st.integers(90, 99).map(said)
OPERATIONS = {
    "append": (lambda it, value: it.append(value), NEW),
    "insert": (lambda it, at, value: it.insert(at, value), INDEXES, NEW),
    "extend": (lambda it, values: it.extend(values), st.lists(NEW, max_size=3)),
    "extend itself": (lambda it: it.extend(it),),
    "+=": (lambda it, values: it.__iadd__(values) is it, st.lists(NEW, max_size=3)),
    "+": (lambda it, values: it + values, st.lists(NEW, max_size=3)),
    "radd": (lambda it, values: values + it, st.lists(NEW, max_size=3)),
    "set": (lambda it, at, value: it.__setitem__(at, value), INDEXES, NEW),
    "set a slice": (lambda it, at, values: it.__setitem__(at, values), SLICES, st.lists(NEW, max_size=3)),
    "get": (lambda it, at: it[at], INDEXES),
    "get a slice": (lambda it, at: it[at], SLICES),
    "delete": (lambda it, at: it.__delitem__(at), INDEXES),
    "delete a slice": (lambda it, at: it.__delitem__(at), SLICES),
    "pop": (lambda it: it.pop(),),
    "pop at": (lambda it, at: it.pop(at), INDEXES),
    "remove": (lambda it, value: it.remove(value), st.integers(0, 4).map(said)),
    "index": (lambda it, value: it.index(value), st.integers(0, 4).map(said)),
    "count": (lambda it, value: it.count(value), st.integers(0, 4).map(said)),
    "in": (lambda it, value: value in it, st.integers(0, 4).map(said)),
    "reverse": (lambda it: it.reverse(),),
    "reversed": (lambda it: list(reversed(it)),),
    "sort": (lambda it: it.sort(key=lambda one: one.parts[0].text, reverse=True),),
    "copy": (lambda it: it.copy(),),
    "clear": (lambda it: it.clear(),),
    "len": (lambda it: len(it),),
    "iterate": (lambda it: [one for one in it],),  # noqa: C416
    "true": (lambda it: bool(it),),
    "change one": (lambda it, at: it[at].parts.append(types.Part(text="more")), INDEXES),
    "change each": (lambda it: [one.parts.append(types.Part(text="each")) for one in it] and None,),
    "compare": (lambda it, values: (it == values, it != values), st.lists(NEW, max_size=1)),
}
STEPS = st.one_of(*(st.tuples(st.just(name), st.tuples(*arguments)) for name, (_, *arguments) in OPERATIONS.items()))


def tried(operation, holder, arguments):
    try:
        result = operation(holder, *copy.deepcopy(arguments))
    except (IndexError, ValueError) as error:
        return type(error)
    return list(result) if isinstance(result, list | Contents) else result


@settings(max_examples=300)
@given(st.integers(0, 4), st.lists(STEPS, max_size=8))
def test_a_request_s_messages_are_a_list(count, steps):
    ours, real = shown(count), [said(number) for number in range(count)]
    for name, arguments in steps:
        operation = OPERATIONS[name][0]
        assert tried(operation, ours, arguments) == tried(operation, real, arguments), name
        assert len(ours) == len(real)
    assert ours == real and real == ours and list(ours) == real and repr(ours) == repr(real)


def test_copies_of_the_list_are_lists_of_their_own():
    for duplicate in (copy.copy, copy.deepcopy, list, lambda it: it.copy(), lambda it: it[:]):
        ours = shown(2)
        ours.append(said(9))
        twin = duplicate(ours)
        twin.append(said(10))
        del twin[0]
        assert brief(ours) == ["m0", "m1", "m9"] and brief(twin) == ["m1", "m9", "m10"]


def test_what_the_list_was_made_of_does_not_change():
    shared = [said(0), said(1)]
    ours = Contents(shared, 2)
    ours[0].parts[0].text = "changed"
    for content in ours:
        content.role = "model"
    ours.clear()
    assert shared == [said(0), said(1)]
