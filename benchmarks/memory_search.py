# SPDX-License-Identifier: Apache-2.0
"""How well memories are found: ``python -m benchmarks.memory_search``.

The data is made here, from a seed. Each of several users has told facts ("Priya repaired the old lantern in Lisbon last
spring") and some chatter. Each fact is asked for once in each of five ways, with three of its four details: in other
words' order, in other forms of the words, misspelt, by synonyms, and all of it at once. A question counts as answered
at rank r when its fact is the r-th memory found; other facts of the user share some of the details, so finding some
word is not enough. Nothing is tuned to the data: constants and embedder are the defaults of the services.
"""

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from runwright.memories.embedders import HashingEmbedder, SentenceTransformerEmbedder
from runwright.memories.entries import MOST_FOUND
from runwright.memories.in_memory import InMemoryMemoryService
from runwright.memories.sqlite import SqliteMemoryService
from runwright.memories.vectors import nearest, packed
from runwright.memory import BaseMemoryService, Embedder, MemoryEntry
from runwright.types import UserContent

SEED = 20260101
USERS = 6
FACTS = 60
CHATTER = 40
KINDS = ("same words", "inflected", "misspelt", "synonyms", "mixed")

NAMES = (  # noqa: SIM905 - read more easily
    "Priya Tomasz Ingrid Mateo Yusuf Chiara Anselm Noemi Bogdan Leila Rupert Saoirse"
).split()
PLACES = (  # noqa: SIM905 - read more easily
    "Lisbon Kraków Tromsø Valencia Izmir Bologna Leipzig Haifa Varna Shiraz Bristol Galway"
).split()
# past, -ing form, synonym of the past
DEEDS = [
    ("repaired", "repairing", "fixed"), ("bought", "buying", "purchased"), ("painted", "painting", "coloured"),
    ("lost", "losing", "mislaid"), ("borrowed", "borrowing", "lent"), ("photographed", "photographing", "pictured"),
    ("cleaned", "cleaning", "washed"), ("inherited", "inheriting", "was left"), ("sold", "selling", "parted with"),
    ("hid", "hiding", "concealed"), ("built", "building", "constructed"), ("studied", "studying", "examined"),
    ("donated", "donating", "gave away"), ("wrapped", "wrapping", "packed up"), ("designed", "designing", "drew up"),
]  # fmt: skip
# one, many, synonym
THINGS = [
    ("lantern", "lanterns", "lamp"), ("bicycle", "bicycles", "bike"), ("sofa", "sofas", "couch"),
    ("jewel", "jewels", "gemstone"), ("kettle", "kettles", "teapot"), ("violin", "violins", "fiddle"),
    ("carpet", "carpets", "rug"), ("parcel", "parcels", "package"), ("novel", "novels", "book"),
    ("boat", "boats", "dinghy"), ("ladder", "ladders", "steps"), ("blanket", "blankets", "duvet"),
    ("bottle", "bottles", "flask"), ("portrait", "portraits", "likeness"), ("suitcase", "suitcases", "luggage"),
    ("watch", "watches", "timepiece"), ("cupboard", "cupboards", "cabinet"), ("puzzle", "puzzles", "riddle"),
    ("telescope", "telescopes", "spyglass"), ("necklace", "necklaces", "pendant"),
]  # fmt: skip
TELLING = [
    "{name} {deed} the old {thing} in {place} last spring.",
    "By the way, in {place} {name} {deed} a {thing}.",
    "I still think of the {thing} that {name} {deed} in {place}.",
    "Please note that {name} {deed} a rather heavy {thing} while we stayed in {place}.",
]
ASKING = [
    "what do you know about {details}?",
    "do you remember something with {details}?",
    "I told you once about {details}, which was it?",
]
CHATTING = [
    "Good morning, how is the weather in {place} today?",
    "Could you ask {name} to call me back when there is time?",
    "I would like to read something about a {thing} one day.",
    "Thank you, that is all for the moment.",
    "Let us talk about the spring holidays later.",
]


class Fact(NamedTuple):
    name: str
    deed: tuple[str, str, str]
    thing: tuple[str, str, str]
    place: str


class Question(NamedTuple):
    user: str
    kind: str
    text: str
    wanted: str


Search = Callable[[str, str], Awaitable[list[str]]]
"""From a user and a question to the ids of what is found, the best first."""


def misspelt(text: str, chance: random.Random) -> str:
    """The text with two neighbouring letters of each longer word swapped."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 4:
            at = chance.randrange(1, len(word) - 2)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words.append(word)
    return " ".join(words)


def details(fact: Fact, kind: str, left_out: int, chance: random.Random) -> str:
    """Three of a fact's four details, as this kind of question names them."""
    form = {"inflected": 1, "synonyms": 2}.get(kind, 0)
    deed, thing, name, place = fact.deed[form], fact.thing[form], fact.name, fact.place
    if kind == "mixed":
        deed, thing, name, place = fact.deed[1], fact.thing[2], misspelt(name, chance), misspelt(place, chance)
    parts = [part for at, part in enumerate((name, deed, thing, place)) if at != left_out]
    chance.shuffle(parts)
    text = " ".join(parts)
    return misspelt(text, chance) if kind == "misspelt" else text


def made(seed: int) -> tuple[dict[str, list[MemoryEntry]], list[Question]]:
    """Each user's memories, and the questions."""
    chance = random.Random(seed)
    memories: dict[str, list[MemoryEntry]] = {}
    questions: list[Question] = []
    for user in (f"user{number}" for number in range(USERS)):
        facts: list[Fact] = []
        while len(facts) < FACTS:
            fact = Fact(chance.choice(NAMES), chance.choice(DEEDS), chance.choice(THINGS), chance.choice(PLACES))
            # Any three of the details tell it from the user's other facts.
            if all(sum(a == b for a, b in zip(fact, other, strict=True)) < 3 for other in facts):
                facts.append(fact)
        told = [
            (
                f"{user}-fact{number}",
                chance.choice(TELLING).format(name=one.name, deed=one.deed[0], thing=one.thing[0], place=one.place),
            )
            for number, one in enumerate(facts)
        ]
        for number in range(CHATTER):
            named = {"name": chance.choice(NAMES), "thing": chance.choice(THINGS)[0], "place": chance.choice(PLACES)}
            told.append((f"{user}-chatter{number}", chance.choice(CHATTING).format(**named)))
        chance.shuffle(told)
        memories[user] = [MemoryEntry(id=key, content=UserContent(text)) for key, text in told]
        for number, fact in enumerate(facts):
            for kind in KINDS:
                asked = chance.choice(ASKING).format(details=details(fact, kind, chance.randrange(4), chance))
                questions.append(Question(user, kind, asked, f"{user}-fact{number}"))
    return memories, questions


def by_service(service: BaseMemoryService) -> Search:
    async def search(user: str, question: str) -> list[str]:
        response = await service.search_memory(app_name="bench", user_id=user, query=question)
        return [str(memory.id) for memory in response.memories]

    return search


async def by_vectors(memories: dict[str, list[MemoryEntry]], embedder: Embedder) -> Search:
    """Nothing but the nearest vectors."""
    kept: dict[str, list[tuple[int, bytes]]] = {}
    for user, entries in memories.items():
        texts = [entry.content.parts[0].text or "" for entry in entries if entry.content.parts]
        vectors = [packed(one, embedder.dimensions, embedder=embedder.name) for one in await embedder.embed(texts)]
        kept[user] = [(at, vector) for at, vector in enumerate(vectors) if vector is not None]

    async def search(user: str, question: str) -> list[str]:
        asked = packed(await embedder.embed_query(question), embedder.dimensions, embedder=embedder.name)
        if asked is None:
            return []
        found = nearest(asked, kept[user], count=MOST_FOUND, least=embedder.least_likeness)
        return [str(memories[user][at].id) for at in found]

    return search


async def measured(search: Search, questions: list[Question]) -> dict[str, tuple[float, float, float]]:
    """Recall at 1 and at 5 and the mean reciprocal rank among those found, by the kind of question and for all."""
    ranks: dict[str, list[int]] = {kind: [] for kind in ("all", *KINDS)}
    for question in questions:
        found = await search(question.user, question.text)
        rank = found.index(question.wanted) + 1 if question.wanted in found else 0
        ranks[question.kind].append(rank)
        ranks["all"].append(rank)
    return {
        kind: (
            sum(rank == 1 for rank in some) / len(some),
            sum(1 <= rank <= 5 for rank in some) / len(some),
            sum(1 / rank for rank in some if rank) / len(some),
        )
        for kind, some in ranks.items()
    }


async def run(embedder: Embedder, seed: int) -> None:
    memories, questions = made(seed)
    with TemporaryDirectory() as folder:
        services = {
            "keyword only (in memory)": InMemoryMemoryService(),
            "FTS5, BM25": SqliteMemoryService(Path(folder) / "words.db"),
            f"hybrid ({embedder.name})": SqliteMemoryService(Path(folder) / "both.db", embedder=embedder),
        }
        for service in services.values():
            for user, entries in memories.items():
                await service.add_memory(app_name="bench", user_id=user, memories=entries)
        searches = {name: by_service(service) for name, service in services.items()}
        searches[f"vectors only ({embedder.name})"] = await by_vectors(memories, embedder)
        print(f"{USERS} users with {FACTS} facts and {CHATTER} lines of chatter each, {len(questions)} questions")
        print("recall@1 / recall@5 / mean reciprocal rank")
        for name, search in searches.items():
            print(f"\n{name}")
            for kind, scores in (await measured(search, questions)).items():
                print(f"  {kind:<12}" + " ".join(f"{score:6.3f}" for score in scores))
        for service in services.values():
            await service.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how well memories are found.")
    parser.add_argument("--seed", type=int, default=SEED, help="another makes other data of the same kind")
    parser.add_argument("--model", help="a model of sentence-transformers, in place of the embedder without a model")
    parser.add_argument("--dimensions", type=int, default=384, help="how many dimensions that model's vectors have")
    given = parser.parse_args()
    embedder: Embedder = HashingEmbedder()
    if given.model:
        embedder = SentenceTransformerEmbedder(given.model, dimensions=given.dimensions)
    asyncio.run(run(embedder, given.seed))


if __name__ == "__main__":
    main()
