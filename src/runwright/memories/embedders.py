# SPDX-License-Identifier: Apache-2.0
"""Embedders: a small one without a model, models that run here, and those of the providers."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from importlib import import_module
from typing import Any

from runwright.errors import MissingDependencyError, ModelError
from runwright.memories.words import words_of
from runwright.memory import Embedder

MOST_BYTES_OF_TEXT = 8_000
"""How much of a text the providers are sent, as UTF-8. They take 8,192 tokens, and a token is at least a byte."""

_MOST_BYTES_OF_REQUEST = 250_000
_GRAM = 3


class HashingEmbedder(Embedder):
    """Vectors from the letters of a text alone: its words, and the groups of three letters in each.

    Forms of a word and misspelt words come out alike; words that merely mean the same do not. Long words, which say
    more than short ones, weigh more. It needs no model, no
    network and no package, and gives the same vectors everywhere.

    Args:
        dimensions: How many numbers a vector has. With more of them fewer features share one by chance.
    """

    least_likeness = 0.2

    def __init__(self, dimensions: int = 256) -> None:
        self.name = f"hashing-{dimensions}"
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.to_thread(lambda: [self._vector(text) for text in texts])

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for feature, weight in _features(text):
            digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "big")
            # The sign makes features that share a number by chance cancel out as often as they add up.
            vector[(digest >> 1) % self.dimensions] += weight if digest & 1 else -weight
        return vector


def _features(text: str) -> Iterator[tuple[str, float]]:
    counted: dict[str, int] = {}
    for word in words_of(text):
        counted[word] = counted.get(word, 0) + 1
    for word, times in counted.items():
        weight = times**0.5
        yield word, weight
        framed = f"<{word}>"
        for start in range(len(framed) - _GRAM + 1):
            yield f"#{framed[start : start + _GRAM]}", weight


class SentenceTransformerEmbedder(Embedder):
    """A model of the package ``sentence-transformers``, run in this process, in a thread.

    Args:
        model: The model's name or folder. It is loaded with the first text, which may fetch it over the network.
        dimensions: How many numbers its vectors have; the default model's are 384.
        options: What else ``sentence_transformers.SentenceTransformer`` is to be given, such as ``device``.
    """

    def __init__(
        self, model: str = "sentence-transformers/all-MiniLM-L6-v2", *, dimensions: int = 384, **options: Any
    ) -> None:
        self._package = _imported("sentence_transformers", "sentence-transformers")
        self.name = f"sentence-transformers:{model}"
        self.dimensions = dimensions
        self._model_name = model
        self._options = options
        self._model: Any = None
        self._lock = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._encoded, "encode_document", list(texts))

    async def embed_query(self, text: str) -> list[float]:
        return (await asyncio.to_thread(self._encoded, "encode_query", [text]))[0]

    def _encoded(self, method: str, texts: list[str]) -> list[list[float]]:
        with self._lock:  # one at a time: the models are not made for several threads
            try:
                if self._model is None:
                    self._model = self._package.SentenceTransformer(self._model_name, **self._options)
                encode: Callable[..., Any] = getattr(self._model, method, self._model.encode)
                return encode(texts, show_progress_bar=False, convert_to_numpy=True).tolist()
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(f"Embedder {self.name!r} could not be loaded or run: {error}") from error


class OpenAIEmbedder(Embedder):
    """OpenAI's embedding models, and those of servers that speak its protocol.

    Args:
        model: The model's name.
        dimensions: How many numbers a vector is to have; the models from ``text-embedding-3`` on can give fewer.
        client: An ``openai.AsyncOpenAI``. By default one that reads ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``.
    """

    _most_texts = 2048

    def __init__(
        self, model: str = "text-embedding-3-small", *, dimensions: int = 1536, client: Any | None = None
    ) -> None:
        self._package = _imported("openai", "openai")
        self.name = f"openai:{model}"
        self.dimensions = dimensions
        self._options: dict[str, Any] = {"model": model}
        if model != "text-embedding-ada-002":  # which knows no other dimensions than its own
            self._options["dimensions"] = dimensions
        self._own = client is None
        self._client: Any = client

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self._client is None:
            self._client = self._package.AsyncOpenAI()
        vectors: list[list[float]] = []
        for batch in _batches(texts, self._most_texts):
            try:
                answer = await self._client.embeddings.create(input=batch, **self._options)
            except self._package.OpenAIError as error:
                raise ModelError(f"Embedder {self.name!r} could not be asked: {error}") from error
            vectors.extend(one.embedding for one in sorted(answer.data, key=lambda one: one.index))
        return vectors

    async def close(self) -> None:
        client, self._client = self._client, None
        if self._own and client is not None:
            await client.close()


class GeminiEmbedder(Embedder):
    """Gemini's embedding models. Questions and what they are to find are embedded each in their own way.

    Args:
        model: The model's name.
        dimensions: How many numbers a vector is to have.
        client: A ``google.genai.Client``. By default one that reads ``GEMINI_API_KEY`` or ``GOOGLE_API_KEY``.
    """

    _most_texts = 100

    def __init__(
        self, model: str = "gemini-embedding-001", *, dimensions: int = 768, client: Any | None = None
    ) -> None:
        self._package = _imported("google.genai", "gemini")
        self._errors = import_module("google.genai.errors")
        self.name = f"gemini:{model}"
        self.dimensions = dimensions
        self._model = model
        # The first model is told the task in a field, those after it in the text.
        self._has_task_field = model.rsplit("/", 1)[-1] in ("gemini-embedding-001", "text-embedding-004")
        self._own = client is None
        self._client: Any = client

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self._has_task_field:
            return await self._embedded(texts, "RETRIEVAL_DOCUMENT")
        return await self._embedded([f"title: none | text: {text}" for text in texts], None)

    async def embed_query(self, text: str) -> list[float]:
        if self._has_task_field:
            return (await self._embedded([text], "RETRIEVAL_QUERY"))[0]
        return (await self._embedded([f"task: search result | query: {text}"], None))[0]

    async def _embedded(self, texts: Sequence[str], task: str | None) -> list[list[float]]:
        if self._client is None:
            self._client = self._package.Client()
        types = self._package.types
        config = types.EmbedContentConfig(task_type=task, output_dimensionality=self.dimensions)
        vectors: list[list[float]] = []
        for batch in _batches(texts, self._most_texts):
            # Each text as a message of its own: newer models make one vector of all parts of a message.
            contents = [types.Content(parts=[types.Part(text=text)]) for text in batch]
            try:
                answer = await self._client.aio.models.embed_content(
                    model=self._model, contents=contents, config=config
                )
            except (self._errors.APIError, OSError) as error:
                raise ModelError(f"Embedder {self.name!r} could not be asked: {error}") from error
            vectors.extend(one.values for one in answer.embeddings)
        return vectors

    async def close(self) -> None:
        client, self._client = self._client, None
        if self._own and client is not None:
            await client.aio.aclose()
            await asyncio.to_thread(client.close)


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """The texts, each cut to what a model reads, in requests that a provider takes."""
    batch: list[str] = []
    size = 0
    for text in texts:
        data = text.encode("utf-8", "replace")[:MOST_BYTES_OF_TEXT]
        if batch and (len(batch) == most or size + len(data) > _MOST_BYTES_OF_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(data.decode("utf-8", "ignore"))
        size += len(data)
    if batch:
        yield batch


def _imported(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"This embedder needs a package that is not installed: pip install 'runwright[{extra}]'"
        ) from error
