# SPDX-License-Identifier: Apache-2.0
"""An OpenAPI service as tools: a real server on loopback, called by an agent."""

import gzip
import ipaddress
import json
import re
import socket
import sys
import tracemalloc

import pytest

from runwright import Agent, AuthConfig, AuthCredential, InMemoryRunner, types
from runwright.errors import ConfigurationError, MissingDependencyError, ToolExecutionError
from runwright.testing import ScriptedModel, call
from runwright.testing.wire import FaultServer, json_answer
from runwright.tools.http.guard import is_public
from runwright.tools.openapi import OpenAPIToolset, RestApiTool
from tests.tools.api_server import CLIENT, KEY, PIXEL, ApiServer, certificates

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the documents in YAML are not tested")
httpx2 = pytest.importorskip("httpx2", reason="httpx2 is not installed: the OpenAPI tools are not tested")


@pytest.fixture
def server():
    with ApiServer() as running:
        yield running


@pytest.fixture
def toolset(server):
    """Makes a toolset of the server's document."""

    def make(**options):
        if not {"spec_str", "spec_path", "spec_url"} & set(options):
            options.setdefault("spec_dict", server.document())
        options.setdefault("allow_private_hosts", ["127.0.0.1"])
        return OpenAPIToolset(**options)

    return make


class Talk:
    """An agent with tools, whose model makes calls one after the other."""

    def __init__(self, *tools):
        self.replies = []
        self.model = ScriptedModel([lambda request: self.replies.pop(0)], repeat=True)
        self.runner = InMemoryRunner(Agent(name="caller", model=self.model, tools=list(tools)))
        self.events = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.runner.close()

    async def say(self, *replies):
        """What the model is told of its calls, in their order."""
        self.replies += [*replies, "done"]
        events = [event async for event in self.runner.run_async(user_id="u", session_id="s", new_message="go")]
        self.events += events
        return [response.response for event in events for response in event.get_function_responses()]

    async def call(self, name, /, **args):
        """What the model is told of its one call."""
        (told,) = await self.say(call(name, **args))
        return told

    async def schema(self, name):
        """What the model is shown of a tool."""
        await self.say()
        declared = self.model.requests[-1].config.tools[0].function_declarations
        return next(one for one in declared if one.name == name)


async def asked(toolset, name, /, **args):
    async with Talk(toolset) as talk:
        return await talk.call(name, **args)


# --- what the model is shown


async def test_an_operation_is_a_tool(toolset):
    async with Talk(toolset()) as talk:
        shown = await talk.schema("get_pet")
    assert shown.description == "One pet."
    assert shown.parameters_json_schema == {
        "type": "object",
        "properties": {
            "pet_id": {"type": "string", "description": "Its number."},
            "is_verbose": {"type": "boolean"},
            "x_tag": {"type": "array", "items": {"type": "string"}},
            "visit": {"type": "string"},
            "param_class": {"type": "integer"},
            "page": {"type": "integer", "default": 1},
        },
        "required": ["pet_id"],
    }


async def test_references_are_resolved_also_recursive_ones(toolset):
    async with Talk(toolset()) as talk:
        shown = (await talk.schema("create_pet")).parameters_json_schema
    address = {"type": "object", "properties": {"street": {"type": "string"}}}
    kind = {"type": "string", "enum": ["cat", "dog"]}
    assert shown["required"] == ["name"]
    assert list(shown["properties"]) == ["name", "nick_name", "kind", "home", "parents", "weight"]
    assert shown["properties"]["nick_name"] == {"type": ["string", "null"]}
    assert shown["properties"]["weight"] == {"type": "number", "exclusiveMinimum": 0}
    assert shown["properties"]["kind"] == kind
    assert shown["properties"]["parents"] == {"type": "array", "items": {"$ref": "#/$defs/Pet"}}
    inner = shown["$defs"]["Pet"]
    assert inner["properties"]["parents"] == {"type": "array", "items": {"$ref": "#/$defs/Pet"}}
    assert inner["required"] == ["name"]
    assert "id" not in inner["properties"]
    assert shown["properties"]["home"] == {"$ref": "#/$defs/Address"}
    assert shown["$defs"]["Address"] == address


def test_what_is_referred_to_once_stands_where_it_is():
    schemas = {
        "Item": {"type": "object", "properties": {"maker": {"$ref": "#/components/schemas/Maker"}}},
        "Maker": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    items = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    body = {"content": {"application/json": {"schema": items}}}
    paths = {"/stock": {"post": {"operationId": "stock", "requestBody": body}}}
    spec = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}
    shown = OpenAPIToolset(spec_dict=spec, base_url="https://pets.test").get_tool("stock").operation.schema()
    inner = {"type": "object", "properties": {"maker": schemas["Maker"]}}
    assert shown == {"type": "object", "properties": {"array": {"type": "array", "items": inner}}}


def test_chains_of_references_may_be_of_any_length():
    last = 3_000
    schemas = {}
    for n in range(last):
        properties = {"next": {"$ref": f"#/components/schemas/S{n + 1}"}, "n": {"const": n}}
        schemas[f"S{n}"] = {"type": "object", "properties": properties}
    schemas[f"S{last}"] = {"type": "object", "properties": {"first": {"$ref": "#/components/schemas/S0"}}}
    media = {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/S0"}}}}
    paths = {"/a": {"post": {"operationId": "a", "requestBody": {"content": media}}}}
    spec = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}
    shown = OpenAPIToolset(spec_dict=spec, base_url="https://pets.test").get_tool("a").operation.schema()
    text = json.dumps(shown)
    assert all(f'"const": {n}}}' in text for n in range(last))
    assert shown["properties"]["array"]["items"] == {"$ref": "#/$defs/S0"}
    named = {name.removeprefix("#/$defs/") for name in re.findall(r'"\$ref": "([^"]+)"', text)}
    assert named == set(shown["$defs"])


def test_a_reference_that_leads_nowhere_is_named_with_its_operation():
    inner = {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/Gone"}}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    paths = {"/a": {"post": {"operationId": "a", "requestBody": body}}}
    spec = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"A": inner}}}
    with pytest.raises(ConfigurationError, match=r"POST /a: .*Gone"):
        OpenAPIToolset(spec_dict=spec, base_url="https://pets.test")


async def test_a_long_document_is_fetched_too():
    operation = {"operationId": "a", "description": "long " * 1_000}
    spec = {"openapi": "3.1.0", "paths": {f"/{n}": {"get": operation} for n in range(1_000)}}
    with FaultServer([json_answer(spec)]) as documents:
        toolset = OpenAPIToolset(
            spec_url=f"{documents.url}/openapi.json", base_url="https://pets.test", allow_private_hosts=["127.0.0.1"]
        )
        assert len(json.dumps(spec)) > 5_000_000
        assert len(await toolset.get_tools()) == 1_000
        await toolset.close()


def test_a_place_in_the_path_that_nobody_describes_is_an_argument():
    named = {"name": "b", "in": "path", "schema": {"type": "integer"}}
    paths = {"/x/{a}/{b}": {"get": {"operationId": "x", "parameters": [named]}}}
    tool = OpenAPIToolset(spec_dict={"openapi": "3.1.0", "paths": paths}, base_url="https://pets.test").get_tool("x")
    shown = tool.operation.schema()
    assert shown["properties"] == {"a": {"type": "string"}, "b": {"type": "integer"}}
    assert sorted(shown["required"]) == ["a", "b"]


async def test_what_is_told_of_a_document_that_is_not_there_holds_no_secret():
    with FaultServer([json_answer({}, status=404)]) as documents:
        url = documents.url.replace("//", "//ada:pass-word@")
        toolset = OpenAPIToolset(spec_url=f"{url}/openapi.json?key=se-cret", allow_private_hosts=True)
        with pytest.raises(ConfigurationError) as early:
            toolset.get_tool("a")
        with pytest.raises(ToolExecutionError, match=r"/openapi.json could not be fetched: HTTP status 404") as late:
            await toolset.get_tools()
        await toolset.close()
    assert not [word for word in ("pass-word", "se-cret") if word in f"{early.value}{late.value}"]


def test_arguments_are_not_called_longer_than_providers_allow():
    names = ["x" * 100, "x" * 100 + "y"]
    given = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    spec = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a", "parameters": given}}}}
    shown = OpenAPIToolset(spec_dict=spec, base_url="https://pets.test").get_tool("a").operation.schema()
    assert len(shown["properties"]) == 2 and all(len(name) <= 64 for name in shown["properties"])


async def test_filter_prefix_and_kept_names(toolset):
    chosen = toolset(tool_filter=["get_pet", "search"], tool_name_prefix="zoo", preserve_property_names=True)
    async with Talk(chosen) as talk:
        shown = await talk.schema("zoo_get_pet")
        assert "petId" in shown.parameters_json_schema["properties"]
        declared = talk.model.requests[-1].config.tools[0].function_declarations
        assert [one.name for one in declared] == ["zoo_get_pet", "zoo_search"]
        assert (await talk.call("zoo_get_pet", petId="7"))["target"] == "/pets/7?page=1"


@pytest.mark.parametrize("form", ["json", "yaml", "path", "url"])
async def test_each_form_of_a_document(toolset, server, tmp_path, form):
    document = server.document()
    file = tmp_path / "api.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    options = {
        "json": {"spec_str": json.dumps(document), "spec_str_type": "json"},
        "yaml": {"spec_str": yaml.safe_dump(document)},
        "path": {"spec_path": file},
        "url": {"spec_url": f"{server.url}/openapi.json"},
    }[form]
    assert (await asked(toolset(**options), "get_pet", pet_id="7"))["target"] == "/pets/7?page=1"


def test_yaml_is_read_as_json_would_be():
    text = """
openapi: 3.1.0
paths:
  /a:
    get:
      operationId: a
      parameters:
        - {name: on, in: query, required: true, schema: {enum: [NO, yes, 2020-01-01, true]}}
"""
    tool = OpenAPIToolset(spec_str=text, spec_str_type="yaml", base_url="https://pets.test").get_tool("a")
    assert tool.operation.schema()["properties"] == {"on": {"enum": ["NO", "yes", "2020-01-01", True]}}


MERGES = "".join(f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
LISTS = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a0: &a0 {x: 1}\n" + MERGES, "anchors"),
        ("b0: &b0 [1]\n" + LISTS, "anchors"),
        ("a: &a [*a]", "anchors"),
        ("a: " + "[" * 100_000, "nested"),
        ("- " * 100_000, "nested"),
        ("{" + '"a":{' * 100_000, "nested"),
        ('{"a":' + "[" * 500 + "]" * 500 + "}", "nested"),
    ],
    ids=["merges", "lists", "circle", "flow", "block", "json", "json that is whole"],
)
def test_documents_that_grow_without_bounds_are_refused(text, said):
    with pytest.raises(ConfigurationError, match=said):
        OpenAPIToolset(spec_str=text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Give one of spec_dict"),
        ({"spec_dict": {"swagger": "2.0"}}, "convert it to OpenAPI 3"),
        ({"spec_str": "{", "spec_str_type": "json"}, "not JSON"),
        ({"spec_str": "openapi: [", "spec_str_type": "yaml"}, "not YAML"),
        ({"spec_path": "nowhere.yaml"}, "cannot be read"),
        ({"spec_dict": {"paths": {"/a": {"get": {"parameters": [{"$ref": "#/x"}]}}}}}, "GET /a: .*#/x"),
        ({"spec_dict": {"paths": {"/a": {"get": {"parameters": [{"$ref": "b.yaml#/x"}]}}}}}, "bundle"),
        ({"spec_dict": {"paths": {"/a": {"get": {}}}}, "auth_credential": {"authType": "apiKey"}}, "auth_scheme"),
        ({"spec_dict": {"paths": {}}, "allow_private_hosts": ["10.0.0.1/8"]}, "a network"),
        ({"spec_dict": {"paths": {"/a": {"get": {}}}}}, "give base_url"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once(options, said):
    with pytest.raises(ConfigurationError, match=said):
        OpenAPIToolset(**options)


def test_names_that_are_the_same_when_cut_stay_apart():
    long = "a" * 80
    paths = {f"/{n}": {"get": {"operationId": f"{long}{n}"}} for n in range(3)}
    toolset = OpenAPIToolset(spec_dict={"openapi": "3.0.0", "paths": paths}, base_url="https://pets.test")
    names = ["a" * 60, "a" * 58 + "_2", "a" * 58 + "_3"]
    assert [toolset.get_tool(name).endpoint.path for name in names] == ["/0", "/1", "/2"]


# --- what is sent


async def test_parameters_in_path_query_header_and_cookie(toolset):
    sent = await asked(
        toolset(), "get_pet", pet_id="a/b c", is_verbose=True, x_tag=["x", "y"], visit="a;b", param_class=3.0
    )
    assert sent["target"] == "/pets/a%2Fb%20c?isVerbose=true&class=3&page=1"
    assert sent["headers"]["x-tag"] == "x,y"
    assert sent["headers"]["cookie"] == "visit=a%3Bb"
    assert sent["headers"]["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("args", "query"),
    [
        ({"many": ["a b", "c&d"]}, "many=a%20b&many=c%26d"),
        ({"comma": ["a", "b,c"]}, "comma=a,b%2Cc"),
        ({"space": ["a", "b"]}, "space=a%20b"),
        ({"pipe": ["a", "b"]}, "pipe=a%7Cb"),
        ({"deep": {"a": 1, "b": {"c": "x"}}}, "deep[a]=1&deep[b][c]=x"),
        ({"spread": {"a": 1, "b": False}}, "a=1&b=false"),
        ({"raw": "a/b?c&d=e"}, "raw=a/b?c%26d=e"),
        ({"filter": {"a": [1]}}, "filter=%7B%22a%22%3A%5B1%5D%7D"),
        ({"many": None}, ""),
    ],
)
async def test_styles_of_queries(toolset, args, query):
    target = (await asked(toolset(), "search", **args))["target"]
    assert target == (f"/search?{query}" if query else "/search")


async def test_styles_of_paths(toolset):
    sent = await asked(toolset(), "styles", simple=["a", "b"], label=["a", "b"], matrix=["a", "b"], object={"k": "v"})
    assert sent["target"] == "/styles/a,b/.a.b/;matrix=a;matrix=b/k=v"


async def test_a_json_body_is_made_of_arguments(toolset):
    sent = await asked(toolset(), "create_pet", name="Rex", nick_name=None, parents=[{"name": "Ma"}])
    assert json.loads(sent["body"]) == {"name": "Rex", "nickName": None, "parents": [{"name": "Ma"}]}
    assert sent["headers"]["content-type"] == "application/json"


async def test_a_body_that_is_no_object_is_one_argument(toolset):
    assert (await asked(toolset(), "batch", array=[1, 2]))["body"] == "[1,2]"


async def test_a_body_that_must_be_there_is_there_though_empty(toolset):
    async with Talk(toolset()) as talk:
        assert (await talk.call("set_options"))["body"] == "{}"
        assert (await talk.call("maybe_set_options"))["body"] == ""


async def test_a_form(toolset):
    sent = await asked(toolset(), "login", user="a b", roles=["x", "y"], more={"k": 1}, deep={"k": {"l": 2}})
    assert sent["body"] == "user=a+b&roles=x&roles=y&more=%7B%22k%22%3A1%7D&deep[k][l]=2"
    assert sent["headers"]["content-type"] == "application/x-www-form-urlencoded"


async def test_files_in_a_multipart_form(toolset):
    async with Talk(toolset()) as talk:
        service = talk.runner.artifact_service
        await service.save_artifact(
            app_name=talk.runner.app_name,
            user_id="u",
            session_id="s",
            filename="dot.png",
            artifact=types.Part.from_bytes(data=PIXEL, mime_type="image/png"),
        )
        sent = await talk.call("upload", document="artifact:dot.png", title="Dot", about={"n": 1})
        assert sent["headers"]["content-type"].startswith("multipart/form-data; boundary=")
        assert PIXEL.decode("latin-1") in sent["body"]
        assert 'name="document"; filename="dot.png"\r\nContent-Type: image/png' in sent["body"]
        assert 'name="title"\r\n' in sent["body"]
        assert 'Content-Type: application/json\r\n\r\n{"n":1}' in sent["body"]
        refused = await talk.call("upload", document="artifact:other.png")
        assert refused == {"error": "There is no file 'other.png' in this session"}


async def test_the_type_of_a_file_is_a_type(toolset, server):
    given = "data:text/plain\r\nX-Other: 1;base64,YQ=="
    assert "type" in (await asked(toolset(), "upload", document=given))["error"]
    assert server.requests == []


async def test_raw_bodies(toolset):
    async with Talk(toolset()) as talk:
        assert (await talk.call("put_raw", body="data:image/png;base64,AP8="))["body"] == "\x00\xff"
        sent = await talk.call("note", body="Hello")
        assert (sent["body"], sent["headers"]["content-type"]) == ("Hello", "text/plain")


async def test_an_idempotency_key_is_not_the_models_to_give(toolset):
    async with Talk(toolset()) as talk:
        assert (await talk.schema("order")).parameters_json_schema == {"type": "object", "properties": {}}
        first = (await talk.call("order"))["headers"]["idempotency-key"]
        assert first
        assert (await talk.call("order"))["headers"]["idempotency-key"] != first


async def test_headers_of_the_program(toolset):
    wanted = toolset(header_provider=lambda context: {"X-User": context.user_id})
    assert (await asked(wanted, "search"))["headers"]["x-user"] == "u"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "needs 'pet_id'"),
        ({"pet_id": ".."}, "'.' or '..'"),
        ({"pet_id": "a/../b"}, "'.' or '..'"),
        ({"pet_id": ""}, "must not be empty"),
        ({"pet_id": "1", "x_tag": ["a\r\nX-Evil: 1"]}, "on one line"),
        ({"pet_id": "1", "color": "red"}, "no argument 'color'"),
    ],
)
async def test_bad_arguments_are_told_and_nothing_is_sent(toolset, server, args, said):
    assert said in (await asked(toolset(), "get_pet", **args))["error"]
    assert server.requests == []


# --- what comes back


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("list", {"result": [1, 2]}),
        ("read_text", {"text": "grün"}),
        ("nothing", {"status": 204}),
        ("to_list", {"result": [1, 2]}),
        ("with_bom", {"a": 1}),
        ("untyped_json", {"a": 1}),
        ("untyped_text", {"text": "hello"}),
        (
            "missing",
            {
                "error": 'missing failed with HTTP status 404. The server said: {"detail": "no such pet"}',
                "error_type": "HTTP_404",
            },
        ),
        (
            "limited",
            {
                "error": "limited failed with HTTP status 429. It may be tried again after 7 (Retry-After).",
                "error_type": "HTTP_429",
            },
        ),
    ],
)
async def test_answers(toolset, name, told):
    assert await asked(toolset(), name) == told


async def test_an_answer_that_expands_is_not_longer_for_it(monkeypatch, toolset, server):
    answer = 200, {"content-type": "text/plain", "content-encoding": "gzip"}, gzip.compress(b"x" * 50_000_000)
    monkeypatch.setattr(ApiServer, "answer", lambda self, request: answer)
    tracemalloc.start()
    try:
        told = await asked(toolset(), "read_text")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told["error_type"] == "ANSWER_TOO_LONG"
    assert most < 25_000_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("broken", "HTTP_500"),
        ("to_no_port", "BAD_REDIRECT"),
        ("to_no_host", "BAD_REDIRECT"),
        ("deep", "BAD_ANSWER"),
        ("rather_deep", "BAD_ANSWER"),
        ("malformed", "BAD_ANSWER"),
        ("endless", "ANSWER_TOO_LONG"),
        ("around", "TOO_MANY_REDIRECTS"),
        ("to_file", "BAD_URL"),
    ],
)
async def test_failures_have_a_kind(toolset, name, kind):
    told = await asked(toolset(), name)
    assert told["error_type"] == kind
    assert len(told["error"]) < 5_000


async def test_bytes_become_a_file_of_the_session(toolset):
    async with Talk(toolset()) as talk:
        told = await talk.call("picture")
        assert told == {"artifact": "a b.png", "version": 0, "mime_type": "image/png", "size": len(PIXEL)}
        kept = await talk.runner.artifact_service.load_artifact(
            app_name=talk.runner.app_name, user_id="u", session_id="s", filename="a b.png"
        )
        assert kept.inline_data.data == PIXEL


async def test_a_server_that_is_too_slow(toolset):
    told = await asked(toolset(timeout=0.1), "slow")
    assert told == {"error": "slow took longer than 0.1 seconds", "error_type": "DEADLINE_EXCEEDED"}


async def test_a_server_that_is_not_there(toolset):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        told = await asked(toolset(base_url=f"http://127.0.0.1:{free.getsockname()[1]}"), "list")
    assert told["error_type"] == "CONNECTION_FAILED"


async def test_cookies_of_one_call_do_not_go_with_the_next(toolset):
    async with Talk(toolset()) as talk:
        await talk.call("cookie")
        assert "cookie" not in (await talk.call("search"))["headers"]


# --- who asks

API_KEY = {"authType": "apiKey", "apiKey": KEY}
BEARER = {"authType": "http", "http": {"scheme": "bearer", "credentials": {"token": KEY}}}
BASIC = {"authType": "http", "http": {"scheme": "basic", "credentials": {"username": "me", "password": KEY}}}
OAUTH = AuthCredential(auth_type="oauth2", oauth2={"client_id": CLIENT[0], "client_secret": CLIENT[1]})


@pytest.mark.parametrize(
    ("name", "credential"),
    [
        ("in_header", API_KEY),
        ("in_query", API_KEY),
        ("in_cookie", API_KEY),
        ("bearer", BEARER),
        ("basic", BASIC),
        ("oauth", OAUTH),
    ],
)
async def test_each_kind_of_credential(toolset, name, credential):
    assert await asked(toolset(auth_credential=credential), name) == {"ok": True}
    assert (await asked(toolset(), name))["error_type"] == "HTTP_401"


async def test_a_scheme_for_all_operations(toolset):
    scheme = {"type": "apiKey", "in": "header", "name": "X-Own"}
    own = toolset(auth_scheme=scheme, auth_credential=AuthCredential(auth_type="apiKey", api_key=KEY))
    assert (await asked(own, "search"))["headers"]["x-own"] == KEY


async def test_a_credential_goes_to_operations_that_ask_for_it_only(toolset):
    sent = await asked(toolset(auth_credential=BEARER), "search")
    assert "authorization" not in sent["headers"]


async def test_a_token_is_fetched_once_and_anew_when_it_is_refused(toolset, server):
    async with Talk(toolset(auth_credential=OAUTH)) as talk:
        assert await talk.call("oauth") == {"ok": True}
        assert await talk.call("oauth") == {"ok": True}
        assert server.given == 1
        server.tokens.clear()
        assert await talk.call("oauth") == {"ok": True}
        assert server.given == 2
    form = next(request for request in server.requests if request.path == "/token").body
    assert form == b"grant_type=client_credentials&scope=read+write"


async def test_calls_at_the_same_time_fetch_one_token(toolset, server):
    async with Talk(toolset(auth_credential=OAUTH)) as talk:
        assert await talk.say([call("oauth"), call("oauth"), call("list")]) == [
            {"ok": True},
            {"ok": True},
            {"result": [1, 2]},
        ]
    assert server.given == 1


async def test_a_token_that_has_ended_is_not_used(toolset, server):
    server.expires_in = 0.000001
    async with Talk(toolset(auth_credential=OAUTH)) as talk:
        await talk.call("oauth")
        await talk.call("oauth")
    assert server.given == 2


async def test_a_wrong_client_is_told_without_its_secret(toolset):
    wrong = AuthCredential(auth_type="oauth2", oauth2={"client_id": "client", "client_secret": "wr0ng"})
    told = await asked(toolset(auth_credential=wrong), "oauth")
    assert told["error_type"] == "AUTH_FAILED"
    assert "invalid_client" in told["error"]
    assert "wr0ng" not in told["error"]


class _Owner:
    def __init__(self, app_name, user_id):
        self.app_name, self.user_id = app_name, user_id


async def _keep(talk, credential):
    config = AuthConfig(credential_key="pets", exchanged_auth_credential=credential)
    await talk.runner.credential_service.save_credential(config, _Owner(talk.runner.app_name, "u"))


async def test_a_users_own_credential_goes_first(toolset, server):
    async with Talk(toolset(auth_credential=OAUTH, credential_key="pets")) as talk:
        server.tokens.append("of-the-user")
        await _keep(talk, AuthCredential(auth_type="oauth2", oauth2={"accessToken": "of-the-user"}))
        assert await talk.call("oauth") == {"ok": True}
        assert server.given == 0


async def test_a_users_token_is_refreshed_and_kept(toolset, server):
    async with Talk(toolset(auth_credential=OAUTH, credential_key="pets")) as talk:
        old = {"access_token": "old", "refresh_token": "again", "expires_at": 1, "client_id": "app"}
        await _keep(talk, AuthCredential(auth_type="oauth2", oauth2=old))
        assert await talk.call("oauth") == {"ok": True}
        assert await talk.call("oauth") == {"ok": True}
        assert server.given == 1


async def test_nobody_to_ask_for_a_token(toolset):
    empty = AuthCredential(auth_type="oauth2", oauth2={"client_id": "client"})
    assert (await asked(toolset(auth_credential=empty), "oauth"))["error_type"] == "AUTH_REQUIRED"


async def test_no_secret_is_in_the_session(toolset):
    async with Talk(toolset(auth_credential=API_KEY)) as talk:
        await talk.call("in_query")
        assert KEY not in "".join(event.model_dump_json() for event in talk.events)


# --- where it may connect to


@pytest.mark.parametrize(
    "given",
    [{"simple": one} for one in (["."], [".."], ["a/.."], [], [""])]
    + [{"label": one} for one in (["."], [""], ["", ""])]
    + [{"object": {}}],
)
async def test_a_path_stays_that_of_its_operation(toolset, server, given):
    args = {"simple": ["a"], "label": ["a"], "matrix": ["a"], "object": {"a": 1}, **given}
    assert "must not" in (await asked(toolset(), "styles", **args))["error"]
    assert server.requests == []


@pytest.mark.parametrize("key", ["s3cret\nkey", "s3cret\u20ackey", " s3cret"])
async def test_a_key_that_no_header_can_hold_is_not_told(toolset, server, key):
    told = await asked(toolset(auth_credential={"auth_type": "apiKey", "api_key": key}), "in_header")
    assert told["error_type"] == "BAD_HEADER" and "X-Api-Key" in told["error"] and "s3cret" not in str(told)
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_private_hosts_are_refused_unless_allowed(toolset, server, host):
    closed = toolset(base_url=f"http://{host}:{server.server_port}", allow_private_hosts=False)
    told = await asked(closed, "list")
    assert told["error_type"] == "ADDRESS_REFUSED"
    assert server.requests == []


@pytest.mark.parametrize("allowed", [True, ["127.0.0.0/8"], ["LOCALHOST"]])
async def test_private_hosts_that_are_allowed(toolset, server, allowed):
    chosen = toolset(base_url=f"http://localhost:{server.server_port}", allow_private_hosts=allowed)
    async with Talk(chosen) as talk:
        assert (await talk.call("search"))["headers"]["host"] == f"localhost:{server.server_port}"


async def test_adks_name_for_it(toolset):
    assert await asked(toolset(allow_private_hosts=False, allow_private_network_access=True), "list") == {
        "result": [1, 2]
    }


async def test_a_redirect_to_a_private_address_is_refused(toolset, server):
    told = await asked(toolset(), "to_metadata")
    assert told["error_type"] == "ADDRESS_REFUSED"
    assert "169.254.169.254" in told["error"]


async def test_the_documents_own_address_is_checked(toolset, server):
    closed = toolset(spec_url=f"{server.url}/openapi.json", allow_private_hosts=False)
    with pytest.raises(Exception, match="not a public address"):
        await closed.get_tools()
    await closed.close()
    assert server.requests == []


async def test_the_name_is_looked_up_once(toolset, server, monkeypatch):
    """A name server that answers differently the second time gains nothing."""
    answers = [("127.0.0.1", server.server_port), ("169.254.169.254", server.server_port)]
    asked_for = []

    def lookup(host, port, *args, **options):
        asked_for.append(host)
        address = answers[min(len(asked_for), 2) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **o: lookup(host, *a, **o) if host == "pets.test" else real(host, *a, **o),
    )
    named = toolset(base_url=f"http://pets.test:{server.server_port}", allow_private_hosts=["127.0.0.1"])
    sent = await asked(named, "search")
    assert sent["headers"]["host"] == f"pets.test:{server.server_port}"
    assert asked_for == ["pets.test"]


async def test_a_certificate_is_checked_for_the_name_though_the_address_is_connected_to(monkeypatch, tmp_path):
    serving, trusting = certificates("pets.test", tmp_path)
    real = socket.getaddrinfo
    known = ("pets.test", "cats.test")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **o: real("127.0.0.1" if host in known else host, *a, **o)
    )
    with ApiServer(tls=serving) as server:

        def reached(host, verify):
            url = f"https://{host}:{server.server_port}"
            return asked(
                OpenAPIToolset(
                    spec_dict=server.document(), base_url=url, ssl_verify=verify, allow_private_hosts=["127.0.0.1"]
                ),
                "list",
            )

        assert await reached("pets.test", trusting) == {"result": [1, 2]}
        assert server.names == ["pets.test"]
        assert (await reached("cats.test", trusting))["error_type"] == "CONNECTION_FAILED"
        assert (await reached("pets.test", None))["error_type"] == "CONNECTION_FAILED"


async def test_keys_stay_with_their_server(toolset, server):
    with ApiServer() as other:
        server.elsewhere = f"http://127.0.0.1:{other.server_port}/search"
        async with Talk(toolset(auth_credential=API_KEY, header_provider=lambda context: {"X-Mine": "1"})) as talk:
            sent = await talk.call("leave")
            assert {"x-api-key", "x-mine"} & set(sent["headers"]) == set()
            refused = await talk.call("move", body="secret")
            assert refused["error_type"] == "BAD_REDIRECT"
    assert server.requests[0].headers["x-api-key"] == KEY
    assert len(other.requests) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1:a00:0:100:808:808", False),
        ("2002:a00:1::", False),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_what_is_public(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


# --- the rest


async def test_a_client_of_ones_own(toolset, server):
    made = []

    def factory():
        made.append(httpx2.AsyncClient(headers={"X-Own": "1"}, trust_env=False))
        return made[-1]

    async with Talk(toolset(httpx_client_factory=factory)) as talk:
        assert (await talk.call("search"))["headers"]["x-own"] == "1"
        assert (await talk.call("to_metadata"))["error_type"] == "ADDRESS_REFUSED"
    assert len(made) == 1
    assert made[0].is_closed


async def test_a_toolset_works_again_after_it_was_closed(toolset):
    used = toolset()
    assert await asked(used, "list") == {"result": [1, 2]}
    assert await asked(used, "list") == {"result": [1, 2]}


async def test_a_tool_made_by_hand(server):
    tool = RestApiTool(
        "find",
        "Finds.",
        {"base_url": server.url, "path": "/search", "method": "get"},
        json.dumps({"operationId": "search", "parameters": [{"name": "q", "in": "query", "schema": {}}]}),
        {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        API_KEY,
        allow_private_hosts=["127.0.0.1"],
    )
    async with Talk(tool) as talk:
        one, other = await talk.say([call("find", q="x"), call("find", q="y")])
    assert (one["target"], other["target"]) == ("/search?q=x", "/search?q=y")
    assert one["headers"]["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("module", "options"), [("httpx2", {"spec_dict": {"paths": {}}}), ("yaml", {"spec_str": "paths: {}"})]
)
def test_a_missing_package_is_named(monkeypatch, module, options):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"runwright\[openapi\]"):
        OpenAPIToolset(**options)


def test_only_safe_methods_are_repeated_after_a_crash(toolset):
    tools = toolset()
    assert tools.get_tool("get_pet").on_resume == "replay"
    assert tools.get_tool("create_pet").on_resume == "never"
