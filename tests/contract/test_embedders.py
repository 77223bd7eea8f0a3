# SPDX-License-Identifier: Apache-2.0
"""Embedders: what each gives, and how the providers' are asked, over a real socket."""

import base64
import json
import struct
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.errors import MissingDependencyError, ModelError
from runwright.memories.embedders import (
    MOST_BYTES_OF_TEXT,
    GeminiEmbedder,
    HashingEmbedder,
    OpenAIEmbedder,
    SentenceTransformerEmbedder,
)


class Provider(ThreadingHTTPServer):
    """A server on loopback that speaks the embedding part of OpenAI's and Gemini's protocols."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Any]] = []
        self.fails = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if self.server.fails:
            self.answer(400, {"error": {"code": 400, "message": "too much", "status": "INVALID_ARGUMENT"}})
        elif self.path == "/v1/embeddings":
            data = [
                {"object": "embedding", "index": index, "embedding": packed(body, [float(len(text)), 1.0])}
                for index, text in enumerate(body["input"])
            ]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self.answer(200, {"object": "list", "model": body["model"], "usage": usage, "data": data[::-1]})
        else:
            texts = ["".join(part["text"] for part in one["content"]["parts"]) for one in body["requests"]]
            self.answer(200, {"embeddings": [{"values": [float(len(text)), 1.0]} for text in texts]})

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def packed(body: dict[str, Any], vector: list[float]) -> Any:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def openai() -> ModuleType:
    return pytest.importorskip("openai", reason="openai is not installed: pip install 'runwright[openai]'")


@pytest.fixture
def genai() -> ModuleType:
    return pytest.importorskip("google.genai", reason="google-genai is not installed: pip install 'runwright[gemini]'")


async def test_openai_is_asked_in_batches_and_answers_in_any_order(provider: Provider, openai: ModuleType) -> None:
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{provider.url}/v1", max_retries=0)
    embedder = OpenAIEmbedder("some-model", dimensions=2, client=client)
    texts = ["a" * (number % 50 + 1) for number in range(2100)]
    assert await embedder.embed(texts) == [[float(len(text)), 1.0] for text in texts]
    assert await embedder.embed_query("four") == [4.0, 1.0]
    assert [len(body["input"]) for _, body in provider.asked] == [2048, 52, 1]
    assert {(body["model"], body["dimensions"]) for _, body in provider.asked} == {("some-model", 2)}
    await embedder.close()
    await client.close()


async def test_openai_is_sent_no_more_than_it_takes(provider: Provider, openai: ModuleType) -> None:
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{provider.url}/v1", max_retries=0)
    embedder = OpenAIEmbedder(dimensions=2, client=client)
    assert len(await embedder.embed(["ü" * 10_000] * 40)) == 40
    assert {text for _, body in provider.asked for text in body["input"]} == {"ü" * (MOST_BYTES_OF_TEXT // 2)}
    assert all(len(body["input"]) * MOST_BYTES_OF_TEXT <= 300_000 for _, body in provider.asked)
    await client.close()


async def test_openai_without_a_client_makes_one_of_the_environment(
    provider: Provider, openai: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
    embedder = OpenAIEmbedder(dimensions=2)
    assert await embedder.embed(["four"]) == [[4.0, 1.0]]
    await embedder.close()


async def test_openai_that_refuses_is_an_error_of_the_model(provider: Provider, openai: ModuleType) -> None:
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{provider.url}/v1", max_retries=0)
    provider.fails = True
    with pytest.raises(ModelError, match=r"openai:text-embedding-3-small.*too much"):
        await OpenAIEmbedder(client=client).embed(["four"])
    await client.close()


@pytest.fixture
async def gemini(provider: Provider, genai: ModuleType) -> Any:
    client = genai.Client(api_key="none", http_options=genai.types.HttpOptions(base_url=provider.url))
    yield client
    await client.aio.aclose()
    client.close()


async def test_gemini_is_asked_in_batches_and_told_the_task(provider: Provider, gemini: Any) -> None:
    embedder = GeminiEmbedder(dimensions=2, client=gemini)
    texts = ["a" * (number % 50 + 1) for number in range(120)]
    assert await embedder.embed(texts) == [[float(len(text)), 1.0] for text in texts]
    assert await embedder.embed_query("four") == [4.0, 1.0]
    assert [(path.partition("models/")[2], len(body["requests"])) for path, body in provider.asked] == [
        ("gemini-embedding-001:batchEmbedContents", 100),
        ("gemini-embedding-001:batchEmbedContents", 20),
        ("gemini-embedding-001:batchEmbedContents", 1),
    ]
    tasks = [body["requests"][0]["taskType"] for _, body in provider.asked]
    assert tasks == ["RETRIEVAL_DOCUMENT", "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"]
    assert provider.asked[0][1]["requests"][0]["outputDimensionality"] == 2


async def test_newer_gemini_models_are_told_the_task_in_the_text(provider: Provider, gemini: Any) -> None:
    embedder = GeminiEmbedder("gemini-embedding-2", dimensions=2, client=gemini)
    assert len(await embedder.embed(["one", "two"])) == 2
    await embedder.embed_query("three")
    requests = [one for _, body in provider.asked for one in body["requests"]]
    assert [one["content"]["parts"] for one in requests] == [
        [{"text": "title: none | text: one"}],
        [{"text": "title: none | text: two"}],
        [{"text": "task: search result | query: three"}],
    ]
    assert not any("taskType" in one for one in requests)


async def test_gemini_that_refuses_is_an_error_of_the_model(provider: Provider, gemini: Any) -> None:
    provider.fails = True
    with pytest.raises(ModelError, match=r"gemini:gemini-embedding-001.*too much"):
        await GeminiEmbedder(client=gemini).embed(["four"])


@pytest.mark.parametrize(
    ("embedder", "module", "extra"),
    [
        (OpenAIEmbedder, "openai", "openai"),
        (GeminiEmbedder, "google.genai", "gemini"),
        (SentenceTransformerEmbedder, "sentence_transformers", "sentence-transformers"),
    ],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, embedder: type, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"runwright\[{extra}\]"):
        embedder()


def cosine(one: list[float], other: list[float]) -> float:
    def product(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    return product(one, other) / (product(one, one) * product(other, other)) ** 0.5


async def test_hashing_finds_forms_of_a_word_alike() -> None:
    embedder = HashingEmbedder()
    asked = await embedder.embed_query("the giraffes")
    form, typo, other = await embedder.embed(["a giraffe", "girafe", "submarine"])
    assert len(asked) == embedder.dimensions == 256
    assert cosine(asked, form) > embedder.least_likeness
    assert cosine(asked, typo) > embedder.least_likeness
    assert abs(cosine(asked, other)) < embedder.least_likeness


async def test_hashing_gives_the_same_vectors_everywhere() -> None:
    (vector,) = await HashingEmbedder(8).embed(["giraffe"])
    assert vector == [-2.0, -1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0]


@given(st.text())
async def test_hashing_takes_any_text(text: str) -> None:
    (vector,) = await HashingEmbedder(16).embed([text])
    assert len(vector) == 16
