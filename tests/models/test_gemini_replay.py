# SPDX-License-Identifier: Apache-2.0
"""Exchanges with Gemini of all kinds, written by hand after its API's documentation, replay as recordings do."""

from typing import Any

import msgspec
import pytest

from runwright.testing.wire import Exchange, WireAnswer, WireRequest, json_answer, sse_answer
from tests.models.gemini_replay import check, scenes

V1 = "/v1beta/models/gemini-2.5-flash"
VERTEX = "/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash"
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
LOOK = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "OBJECT", "properties": {"place": {"type": "STRING"}}, "required": ["place"]},
}
TREE = {
    "name": "plant",
    "description": "Plants.",
    "parameters_json_schema": {
        "type": "object",
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}
        },
        "properties": {"root": {"$ref": "#/$defs/Node"}},
    },
}
TOOLS = [{"functionDeclarations": [LOOK, TREE]}]
SIGNED = "CpYEAXLI2nw+/w=="
HERE = {"parts": [{"text": 'Be kind.\n\nYou are an agent. Your internal name is "helper".'}], "role": "user"}
ELSEWHERE = {"parts": [{"text": "Be kind."}, {"text": "Be short."}]}
FAILURE = {"error": {"code": 0, "message": "It went wrong", "status": "WRONG"}}


def exchange(contents: Any, given: WireAnswer, at: str = V1, method: str = "generateContent", **body: Any) -> Exchange:
    target = f"{at}:{method}" + ("?alt=sse" if method == "streamGenerateContent" else "")
    sent = json_answer({"contents": contents, **body}).body
    return Exchange(request=WireRequest(method="POST", target=target, body=sent), answer=given)


def asking(*contents: Any, answer: WireAnswer | None = None, **body: Any) -> list[Exchange]:
    return [exchange(list(contents) or [user({"text": "Hi"})], answer or said({"text": "Yes."}), **body)]


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def call(name: str = "look", /, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({"args": args} if args else {})}}


def result(response: Any, name: str = "look", **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response, **more}}


def chunk(*parts: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "gemini-2.5-flash", **more}


def said(*parts: Any, reason: str = "STOP", **more: Any) -> WireAnswer:
    return json_answer(chunk(*parts, reason=reason, **more))


def streamed(*chunks: Any, end: bytes = b"\r\n\r\n") -> WireAnswer:
    return sse_answer([b"data: " + msgspec.json.encode(one) + end for one in chunks])


def loop(*called: Any, results: list[Any], stream: bool = False, **body: Any) -> list[Exchange]:
    method = "streamGenerateContent" if stream else "generateContent"
    asked = user({"text": "Where is it?"})
    last = chunk({"text": "There."}, reason="STOP")
    first = streamed(chunk(*called, reason="STOP")) if stream else said(*called)
    back = [asked, model(*called), user(*results)]
    answer = streamed(last) if stream else json_answer(last)
    return [exchange([asked], first, method=method, **body), exchange(back, answer, method=method, **body)]


def stream(*chunks: Any, **body: Any) -> list[Exchange]:
    return [exchange([user({"text": "Hi"})], streamed(*chunks), method="streamGenerateContent", **body)]


EXCHANGES: dict[str, list[Exchange]] = {
    "text": asking(),
    "an agent of ours": asking(systemInstruction=HERE),
    "system parts": asking(systemInstruction=ELSEWHERE),
    "history": asking(user({"text": "Hi"}), model({"text": "Hello."}), user({"text": "Go on"})),
    "no role": asking({"parts": [{"text": "Hi"}]}),
    "two messages of the user": asking(user({"text": "Hi"}), user({"text": "there"})),
    "history of calls": asking(
        user({"text": "Hi"}),
        model({"text": "I look."}, call(place="a"), call(place="b")),
        user(result({"a": 1}), result({"b": 2})),
        tools=TOOLS,
    ),
    "results and words": asking(
        user({"text": "Hi"}), model(call(place="a")), user(result({"a": 1}), {"text": "Go on"}), tools=TOOLS
    ),
    "signed history": asking(
        user({"text": "Hi"}),
        model({"text": "Hm", "thoughtSignature": SIGNED}, {**call(place="a"), "thoughtSignature": SIGNED}),
        user(result({"a": 1})),
        tools=TOOLS,
    ),
    "files": asking(
        user(
            {"inlineData": {"data": "iVBORw==", "mimeType": "image/png"}},
            {"inline_data": {"data": "_-8=", "mime_type": "audio/wav"}},
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                    "mimeType": "application/pdf",
                }
            },
            {
                "fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"},
                "videoMetadata": {"startOffset": "1s", "fps": 1.0},
            },
            {"text": "What is it?"},
        )
    ),
    "settings": asking(
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 3,
            "candidateCount": 1,
            "maxOutputTokens": 9,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "seed": 1,
            "responseLogprobs": True,
            "logprobs": 2,
            "responseModalities": ["TEXT"],
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 100},
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
            "imageConfig": {"aspectRatio": "1:1"},
            "enableEnhancedCivicAnswers": True,
        },
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        cachedContent="cachedContents/a",
        serviceTier="flex",
    ),
    "level of thought": asking(
        generationConfig={"thinkingConfig": {"thinkingLevel": "LOW"}}, at="/v1beta/models/gemini-3-pro-preview"
    ),
    "form": asking(
        generationConfig={
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
        }
    ),
    "form of its own": asking(
        generationConfig={
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        }
    ),
    "any json": asking(generationConfig={"responseMimeType": "application/json"}),
    "tool must be called": asking(
        tools=TOOLS, toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}}
    ),
    "no tool may be called": asking(tools=TOOLS, toolConfig={"functionCallingConfig": {"mode": "NONE"}}),
    "provider's tools": asking(tools=[{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}, *TOOLS]),
    "tools in one": asking(tools=[{"functionDeclarations": [LOOK], "googleSearch": {}}]),
    "other tools": asking(
        tools=[
            {"fileSearch": {"fileSearchStoreNames": ["s"]}},
            {"googleMaps": {}},
            {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}},
        ],
        toolConfig={"retrievalConfig": {"latLng": {"latitude": 1.5, "longitude": 2.5}}},
    ),
    "loop": loop(call(place="a"), results=[result({"a": 1})], tools=TOOLS, systemInstruction=HERE),
    "parallel": loop(
        call(place="a"), call("plant"), results=[result({"a": 1}), result({"b": [1]}, "plant")], tools=TOOLS
    ),
    "error of a tool": loop(call(place="a"), results=[result({"error": "No such place."})], tools=TOOLS),
    "loop with ids": loop(
        {"functionCall": {"id": "c1", "name": "look", "args": {"place": "a"}}},
        results=[result({"a": 1}, id="c1")],
        tools=TOOLS,
    ),
    "signed loop": loop(
        {"text": "Hm.", "thought": True},
        {**call(place="a"), "thoughtSignature": SIGNED},
        results=[result({"a": 1})],
        tools=TOOLS,
        at="/v1beta/models/gemini-3-pro-preview",
    ),
    "streamed loop": loop(
        {**call(place="a"), "thoughtSignature": SIGNED}, results=[result({"a": 1})], tools=TOOLS, stream=True
    ),
    "files as results": asking(
        user({"text": "Hi"}),
        model(call(place="a")),
        user(result({"a": 1}, parts=[{"inlineData": {"data": "iVBORw==", "mimeType": "image/png"}}])),
        tools=TOOLS,
        at="/v1beta/models/gemini-3-pro-preview",
    ),
    "two turns": [*asking(), *asking(user({"text": "Hi"}), model({"text": "Yes."}), user({"text": "And?"}))],
    "streamed": stream(chunk({"text": "I am "}), chunk({"text": "here."}), chunk({"text": ""}, reason="STOP")),
    "streamed thoughts": stream(
        chunk({"text": "Hm", "thought": True}),
        chunk({"text": "Yes"}, {"text": "."}),
        chunk({"text": "", "thoughtSignature": SIGNED}, reason="STOP"),
    ),
    "streamed without usage": stream(
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": "I"}]}, "finishReason": "STOP"}],
            "modelVersion": "m",
        }
    ),
    "usage alone at the end": stream(chunk({"text": "I"}, reason="STOP"), {"usageMetadata": USAGE}),
    "several candidates": asking(
        answer=json_answer(
            {
                "candidates": [
                    {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": at}
                    for at, text in enumerate("ab")
                ],
                "usageMetadata": USAGE,
            }
        )
    ),
    "grounded": asking(
        answer=json_answer(
            {
                **chunk({"text": "It is."}, reason="STOP"),
                "candidates": [
                    {
                        "content": {"parts": [{"text": "It is."}], "role": "model"},
                        "finishReason": "STOP",
                        "groundingMetadata": {
                            "webSearchQueries": ["x"],
                            "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
                        },
                        "urlContextMetadata": {"urlMetadata": []},
                        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}],
                    }
                ],
            }
        )
    ),
    "code was run": asking(
        answer=said(
            {"executableCode": {"code": "1", "language": "PYTHON"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            {"text": "1"},
        ),
        tools=[{"codeExecution": {}}],
    ),
    "image was made": asking(
        answer=said({"inlineData": {"data": "iVBORw==", "mimeType": "image/png"}}),
        generationConfig={"responseModalities": ["IMAGE"]},
    ),
    "prompt blocked": asking(
        answer=json_answer(
            {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
            }
        )
    ),
    "prompt blocked without more": asking(
        answer=json_answer({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []}})
    ),
    "blocked": asking(
        answer=json_answer({"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": USAGE})
    ),
    "blocked in a stream": stream(
        chunk({"text": "I"}), {"candidates": [{"finishReason": "RECITATION"}], "usageMetadata": USAGE}
    ),
    "malformed call": asking(
        answer=json_answer(
            {
                "candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Bad call"}],
                "usageMetadata": USAGE,
            }
        )
    ),
    "cut off": asking(answer=said({"text": "I"}, reason="MAX_TOKENS")),
    "cut off before a word": asking(
        answer=json_answer(
            {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}], "usageMetadata": USAGE}
        )
    ),
    "logprobs": asking(
        answer=json_answer(
            {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": "I"}]},
                        "finishReason": "STOP",
                        "avgLogprobs": -0.1,
                        "logprobsResult": {"chosenCandidates": [{"token": "I", "logProbability": -0.1}]},
                    }
                ],
                "usageMetadata": {
                    **USAGE,
                    "cachedContentTokenCount": 1,
                    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
                    "serviceTier": "standard",
                },
            }
        )
    ),
    "vertex": asking(at=VERTEX, labels={"a_b": "c"}, generationConfig={"audioTimestamp": True}),
    "vertex with a key": asking(at="/v1beta1/publishers/google/models/gemini-2.5-flash"),
    "endpoint": asking(at="/v1beta1/projects/p/locations/us-central1/endpoints/123"),
    "tuned": asking(at="/v1beta/tunedModels/mine"),
    "gateway": asking(at="/proxy/v1/models/gemini-2.5-flash"),
    "busy": [
        *asking(answer=json_answer({"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}, status=503)),
        *asking(
            answer=json_answer(
                {
                    "error": {
                        "code": 429,
                        "message": "Quota",
                        "status": "RESOURCE_EXHAUSTED",
                        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33s"}],
                    }
                },
                status=429,
            )
        ),
        *asking(),
    ],
    "several": [*asking(), *asking(at="/v1beta/models/gemini-2.0-flash"), *asking(user({"text": "Other"}))],
    "counted": [exchange([user({"text": "Hi"})], json_answer({"totalTokens": 7}), method="countTokens")],
    "counted whole": [
        Exchange(
            request=WireRequest(
                method="POST",
                target=f"{V1}:countTokens",
                body=json_answer(
                    {
                        "generateContentRequest": {
                            "model": "models/gemini-2.5-flash",
                            "contents": [user({"text": "Hi"})],
                            "systemInstruction": ELSEWHERE,
                            "tools": TOOLS,
                        }
                    }
                ).body,
            ),
            answer=json_answer({"totalTokens": 7}),
        )
    ],
    "counted on vertex": [
        exchange(
            [user({"text": "Hi"})],
            json_answer({"totalTokens": 7}),
            at=VERTEX,
            method="countTokens",
            generationConfig={"temperature": 0.5},
        )
    ],
    "not counted": [
        exchange(
            [user({"text": "Hi"})],
            json_answer({"error": {"code": 404, "message": "No model", "status": "NOT_FOUND"}}, status=404),
            method="countTokens",
        )
    ],
    "no body": asking(answer=WireAnswer(status=500)),
    "broken stream": stream(
        chunk({"text": "I"}), {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    ),
    "lines end plainly": [
        exchange(
            [user({"text": "Hi"})],
            streamed(chunk({"text": "I"}, reason="STOP"), end=b"\n\n"),
            method="streamGenerateContent",
        )
    ],
}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_replays(name: str) -> None:
    await check(EXCHANGES[name])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504])
async def test_a_failure_in_the_middle_replays(status: int) -> None:
    failure = {"error": {**FAILURE["error"], "code": status}}
    for name in ("loop", "streamed loop"):
        first, second = EXCHANGES[name]
        await check([first, Exchange(request=second.request, answer=json_answer(failure, status=status))])


def test_conversations_are_told_apart() -> None:
    names = ("parallel", "signed loop", "streamed loop", "two turns", "busy", "several")
    told = scenes([one for name in names for one in EXCHANGES[name]])
    assert [len(one.exchanges) for one in told] == [2, 2, 2, 2, 3, 1, 1, 1]


@pytest.mark.parametrize("reason", ["POST /v1beta/models/x:embedContent", "JSON array", "does not end"])
async def test_what_we_never_ask_is_skipped_with_the_reason(reason: str) -> None:
    listed = exchange([user({"text": "Hi"})], json_answer([chunk({"text": "I"})]), method="streamGenerateContent")
    others = {
        "POST /v1beta/models/x:embedContent": exchange(
            [], json_answer({}), at="/v1beta/models/x", method="embedContent"
        ),
        "JSON array": Exchange(
            request=WireRequest(method="POST", target=f"{V1}:streamGenerateContent", body=listed.request.body),
            answer=listed.answer,
        ),
        "does not end": exchange([user({"text": "Hi"}), model({"text": "I"})], said({"text": "am"})),
    }
    with pytest.raises(pytest.skip.Exception, match=reason):
        await check([others[reason]])
