# SPDX-License-Identifier: Apache-2.0
"""The providers whose wires are measured: how a user of each SDK spells a conversation and asks, and our adapter."""

import json
from collections.abc import Callable
from itertools import cycle
from typing import Any

INSTRUCTION = "You help the guests of a hotel. Look things up before you answer, and answer in one sentence."
QUESTION = "What is the weather like in the place that I asked about, and is there a table for two this evening?"
REPLY = "The weather there is fine, with some wind from the west, and there is a table for two at eight."
WEATHER, FORECAST = {"city": "Lisbon", "days": 3}, {"sky": "clear", "degrees": 21, "wind": "west"}


def look_up_weather(city: str, days: int) -> dict[str, Any]:
    """Says what the weather will be like in a city."""
    return FORECAST


def book_table(name: str, guests: int, hour: str) -> dict[str, Any]:
    """Books a table in the hotel's restaurant."""
    return {"booked": True}


def schema(**properties: str) -> dict[str, Any]:
    described = {name: {"type": kind} for name, kind in properties.items()}
    return {"type": "object", "properties": described, "required": list(properties)}


TOOLS = (
    ("look_up_weather", look_up_weather.__doc__, schema(city="string", days="integer")),
    ("book_table", book_table.__doc__, schema(name="string", guests="integer", hour="string")),
)

Message = tuple[str, Any]
"""Of the conversation, in nobody's words: ("user" or "model", a text), ("call", id) or ("response", id)."""


def conversation(length: int) -> list[Message]:
    """So many messages, every other turn's tool call and its response among them. It ends with the model's."""
    spoken: list[Message] = []
    kinds = cycle((("user", "call", "response", "model"), ("user", "model")))
    while len(spoken) < length:
        call_id = f"call_{len(spoken):04}"
        said = {"user": QUESTION, "model": REPLY, "call": call_id, "response": call_id}
        spoken.extend((kind, said[kind]) for kind in next(kinds))
    return spoken


class Provider:
    """The SDK of a provider as its user would use it, and our adapter to it.

    A subclass says how the SDK spells the conversation and how it is called: as its documentation does, with its own
    types, where it takes objects of these and dicts, those that it is faster with; and with the request's JSON as a
    dict that is there already, whose answer is taken as JSON or, where there is no such way, as it comes.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def spelled(self, message: Message) -> Any:
        raise NotImplementedError

    async def whole(self, history: list[Any]) -> str:
        raise NotImplementedError

    async def streamed(self, history: list[Any]) -> str:
        raise NotImplementedError

    async def floor_whole(self, history: list[Any]) -> str:
        raise NotImplementedError

    async def floor_streamed(self, history: list[Any]) -> str:
        raise NotImplementedError

    def plain(self, spelled: Any) -> Any:
        """A message of the SDK's as JSON."""
        return spelled

    def adapter(self) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        await self.client.close()

    client: Any


class Gemini(Provider):
    """google-genai with its own types, which cost it less than dicts: those it makes into its types first."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        from google import genai
        from google.genai import types

        self.types = types
        self.client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=self.url))
        functions = [
            types.FunctionDeclaration(name=name, description=told, parameters_json_schema=takes)
            for name, told, takes in TOOLS
        ]
        self.arguments = {
            "model": "gemini-2.5-flash",
            "config": types.GenerateContentConfig(
                system_instruction=INSTRUCTION,
                tools=[types.Tool(function_declarations=functions)],
                automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            ),
        }
        config = self.arguments["config"].model_dump(mode="json", by_alias=True, exclude_none=True)
        self.body = {"systemInstruction": {"parts": [{"text": INSTRUCTION}]}, "tools": config["tools"]}

    def plain(self, spelled: Any) -> Any:
        return spelled.model_dump(mode="json", by_alias=True, exclude_none=True)

    def _prepared(self, history: list[Any]) -> dict[str, Any]:
        options = {"extra_body": {**self.body, "contents": history}}
        config = {"http_options": options, "automatic_function_calling": {"disable": True}}
        return {"model": "gemini-2.5-flash", "contents": "-", "config": config}

    async def floor_whole(self, history: list[Any]) -> str:
        return (await self.client.aio.models.generate_content(**self._prepared(history))).text

    async def floor_streamed(self, history: list[Any]) -> str:
        pieces = []
        async for chunk in await self.client.aio.models.generate_content_stream(**self._prepared(history)):
            pieces.append(chunk.text)
        return "".join(pieces)

    def spelled(self, message: Message) -> Any:
        kind, said = message
        if kind == "call":
            part = self.types.Part(function_call=self.types.FunctionCall(id=said, name=TOOLS[0][0], args=WEATHER))
        elif kind == "response":
            given = self.types.FunctionResponse(id=said, name=TOOLS[0][0], response=FORECAST)
            part = self.types.Part(function_response=given)
        else:
            part = self.types.Part(text=said)
        return self.types.Content(role="model" if kind in ("model", "call") else "user", parts=[part])

    async def whole(self, history: list[Any]) -> str:
        answer = await self.client.aio.models.generate_content(contents=history, **self.arguments)
        return answer.text

    async def streamed(self, history: list[Any]) -> str:
        pieces = []
        async for chunk in await self.client.aio.models.generate_content_stream(contents=history, **self.arguments):
            pieces.append(chunk.text)
        return "".join(pieces)

    def adapter(self) -> Any:
        from runwright.models.gemini import Gemini as Adapter

        return Adapter(model="gemini-2.5-flash", api_key="none", base_url=self.url)

    async def close(self) -> None:
        await self.client.aio.aclose()


class Responses(Provider):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        import openai

        self.stream_cls = openai.AsyncStream[object]
        self.client = openai.AsyncOpenAI(api_key="none", base_url=f"{self.url}/v1")
        tools = [{"type": "function", "name": name, "description": told, "parameters": takes, "strict": False}
                 for name, told, takes in TOOLS]  # fmt: skip
        self.arguments = {"model": "gpt-5-mini", "instructions": INSTRUCTION, "tools": tools}
        self.arguments["include"] = ["reasoning.encrypted_content"]

    def spelled(self, message: Message) -> Any:
        kind, said = message
        if kind == "call":
            written = json.dumps(WEATHER)
            return {"type": "function_call", "call_id": said, "name": TOOLS[0][0], "arguments": written}
        if kind == "response":
            return {"type": "function_call_output", "call_id": said, "output": json.dumps(FORECAST)}
        return {"role": "assistant" if kind == "model" else "user", "content": said}

    async def whole(self, history: list[Any]) -> str:
        return (await self.client.responses.create(input=history, **self.arguments)).output_text

    async def streamed(self, history: list[Any]) -> str:
        pieces = []
        async with await self.client.responses.create(input=history, stream=True, **self.arguments) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    pieces.append(event.delta)
        return "".join(pieces)

    async def floor_whole(self, history: list[Any]) -> str:
        body = {**self.arguments, "input": history}
        return (await self.client.post("/responses", cast_to=object, body=body))["output"][0]["content"][0]["text"]

    async def floor_streamed(self, history: list[Any]) -> str:
        pieces = []
        body = {**self.arguments, "input": history, "stream": True}
        stream = {"stream": True, "stream_cls": self.stream_cls}
        async with await self.client.post("/responses", cast_to=object, body=body, **stream) as events:
            async for event in events:
                if event["type"] == "response.output_text.delta":
                    pieces.append(event["delta"])
        return "".join(pieces)

    def adapter(self) -> Any:
        from runwright.models.openai import OpenAI

        return OpenAI(model="gpt-5-mini", api_key="none", base_url=f"{self.url}/v1")


class Chat(Provider):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        import openai

        self.stream_cls = openai.AsyncStream[object]
        self.client = openai.AsyncOpenAI(api_key="none", base_url=f"{self.url}/v1")
        tools = [{"type": "function", "function": {"name": name, "description": told, "parameters": takes}}
                 for name, told, takes in TOOLS]  # fmt: skip
        self.arguments = {"model": "gpt-4.1-mini", "tools": tools}
        self.system = {"role": "system", "content": INSTRUCTION}

    def spelled(self, message: Message) -> Any:
        kind, said = message
        if kind == "call":
            function = {"name": TOOLS[0][0], "arguments": json.dumps(WEATHER)}
            called = [{"id": said, "type": "function", "function": function}]
            return {"role": "assistant", "content": None, "tool_calls": called}
        if kind == "response":
            return {"role": "tool", "tool_call_id": said, "content": json.dumps(FORECAST)}
        return {"role": "assistant" if kind == "model" else "user", "content": said}

    async def whole(self, history: list[Any]) -> str:
        messages = [self.system, *history]
        answer = await self.client.chat.completions.create(messages=messages, **self.arguments)
        return answer.choices[0].message.content

    async def streamed(self, history: list[Any]) -> str:
        pieces = []
        options = {"stream": True, "stream_options": {"include_usage": True}}
        messages = [self.system, *history]
        async with await self.client.chat.completions.create(messages=messages, **options, **self.arguments) as chunks:
            async for chunk in chunks:
                if chunk.choices and chunk.choices[0].delta.content:
                    pieces.append(chunk.choices[0].delta.content)
        return "".join(pieces)

    async def floor_whole(self, history: list[Any]) -> str:
        body = {**self.arguments, "messages": [self.system, *history]}
        answer = await self.client.post("/chat/completions", cast_to=object, body=body)
        return answer["choices"][0]["message"]["content"]

    async def floor_streamed(self, history: list[Any]) -> str:
        pieces = []
        body = {**self.arguments, "messages": [self.system, *history], "stream": True}
        body["stream_options"] = {"include_usage": True}
        stream = {"stream": True, "stream_cls": self.stream_cls}
        async with await self.client.post("/chat/completions", cast_to=object, body=body, **stream) as chunks:
            async for chunk in chunks:
                if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                    pieces.append(chunk["choices"][0]["delta"]["content"])
        return "".join(pieces)

    def adapter(self) -> Any:
        from runwright.models.openai import OpenAI

        return OpenAI(model="gpt-4.1-mini", api="chat", api_key="none", base_url=f"{self.url}/v1")


class Claude(Provider):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        import anthropic

        self.stream_cls = anthropic.AsyncStream[object]
        self.client = anthropic.AsyncAnthropic(api_key="none", base_url=self.url)
        tools = [{"name": name, "description": told, "input_schema": takes} for name, told, takes in TOOLS]
        self.arguments = {"model": "claude-sonnet-5-5", "max_tokens": 8192, "system": INSTRUCTION, "tools": tools}

    def spelled(self, message: Message) -> Any:
        kind, said = message
        if kind == "call":
            block = {"type": "tool_use", "id": said, "name": TOOLS[0][0], "input": WEATHER}
        elif kind == "response":
            block = {"type": "tool_result", "tool_use_id": said, "content": json.dumps(FORECAST)}
        else:
            block = {"type": "text", "text": said}
        return {"role": "assistant" if kind in ("model", "call") else "user", "content": [block]}

    async def whole(self, history: list[Any]) -> str:
        return (await self.client.messages.create(messages=history, **self.arguments)).content[0].text

    async def streamed(self, history: list[Any]) -> str:
        pieces = []
        async with await self.client.messages.create(messages=history, stream=True, **self.arguments) as events:
            async for event in events:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    pieces.append(event.delta.text)
        return "".join(pieces)

    async def floor_whole(self, history: list[Any]) -> str:
        body = {**self.arguments, "messages": history}
        return (await self.client.post("/v1/messages", cast_to=object, body=body))["content"][0]["text"]

    async def floor_streamed(self, history: list[Any]) -> str:
        pieces = []
        body = {**self.arguments, "messages": history, "stream": True}
        stream = {"stream": True, "stream_cls": self.stream_cls}
        async with await self.client.post("/v1/messages", cast_to=object, body=body, **stream) as events:
            async for event in events:
                if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
                    pieces.append(event["delta"]["text"])
        return "".join(pieces)

    def adapter(self) -> Any:
        from runwright.models.anthropic import Claude as Adapter

        return Adapter(model="claude-sonnet-5-5", api_key="none", base_url=self.url)


PROVIDERS: dict[str, Callable[[int], Provider]] = {
    "gemini": Gemini, "responses": Responses, "chat": Chat, "claude": Claude
}  # fmt: skip


def content_of(message: Message) -> Any:
    """A message in our types."""
    from runwright import types

    kind, said = message
    if kind == "call":
        part = types.Part(function_call=types.FunctionCall(id=said, name=TOOLS[0][0], args=dict(WEATHER)))
    elif kind == "response":
        given = types.FunctionResponse(id=said, name=TOOLS[0][0], response=dict(FORECAST))
        part = types.Part(function_response=given)
    else:
        part = types.Part(text=said)
    return types.Content(role="model" if kind in ("model", "call") else "user", parts=[part])
