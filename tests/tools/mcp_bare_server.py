# SPDX-License-Identifier: Apache-2.0
"""A server over stdio without the SDK, which starts at once and does what the SDK would not: ``mcp_bare_server.py``.

With an argument it is odd from the start: ``silent`` never answers, ``leaves`` ends at the first request, ``junk``
writes what is no message before each answer, ``endless`` has a next page always.
"""

import base64
import json
import os
import sys
import time

ODD = sys.argv[1] if len(sys.argv) > 1 else ""
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n-not-quite").decode()
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
SCHEMAS = {
    "pid": {"type": "object"},
    "grow": {"type": "object", "properties": {}},
    "anything": {"type": "object", "properties": {"x": True, "y": {}}, "additionalProperties": False},
    "tree": {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": NODE}},
    "big": {"type": "object", "properties": {"size": {"type": "integer"}}},
    "blocks": {"type": "object"},
    "bad_bytes": {"type": "object"},
    "wrong": {"type": "object"},
    "wrong_data": {"type": "object"},
    "no_result": {"type": "object"},
    "junk": {"type": "object"},
    "flood": {"type": "object"},
    "die": {"type": "object"},
    "never": {"type": "object"},
    "sleep": {"type": "object", "properties": {"seconds": {"type": "number"}}},
    "ask_model": {"type": "object"},
    "ask_user": {"type": "object"},
}
grown = []


def send(message):
    if ODD == "junk":
        sys.stdout.buffer.write(b"hello, I am a server\n\xff\xfe\n{}\n[1, 2]\n")
    sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    sys.stdout.buffer.flush()


def text(said, **more):
    return {"content": [{"type": "text", "text": said}], **more}


def ask(method, params):
    """Asks the client, and gives its answer."""
    send({"id": "mine", "method": method, "params": params})
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == "mine":
            return text(json.dumps(answer.get("result") or answer["error"]))
    sys.exit(0)


def call(name, given):
    match name:
        case "pid":
            return text(str(os.getpid()))
        case "grow":
            grown.append(f"grown_{len(grown)}")
            send({"method": "notifications/tools/list_changed"})
        case "big":
            return text("x" * given["size"])
        case "blocks":
            file = {"uri": "memo://a", "mimeType": "application/pdf", "blob": PIXEL}
            note = {"uri": "memo://b", "mimeType": "text/plain", "text": "a note"}
            return {
                "content": [
                    {"type": "image", "data": PIXEL, "mimeType": "image/png"},
                    {"type": "audio", "data": PIXEL, "mimeType": "audio/wav"},
                    {"type": "resource", "resource": file},
                    {"type": "resource", "resource": note},
                    {"type": "resource_link", "uri": "memo://c", "name": "c"},
                ],
                "structuredContent": {"a": [1]},
            }
        case "bad_bytes":
            return {"content": [{"type": "image", "data": "abc", "mimeType": "image/png"}]}
        case "wrong":
            return text("no paper", isError=True)
        case "wrong_data":
            return {"content": [], "structuredContent": {"code": 7}, "isError": True}
        case "no_result":
            return {"content": "text"}
        case "junk":
            sys.stdout.buffer.write(b"\xff\xfe what is this\n{}\n[]\nnull\n")
        case "flood":
            sys.stderr.write("noise\n" * 200_000)
        case "die":
            os._exit(3)
        case "sleep":
            time.sleep(given["seconds"])
        case "ask_model":
            return ask("sampling/createMessage", given)
        case "ask_user":
            return ask("elicitation/create", given)
    return text("done")


def result(method, params):
    match method:
        case "initialize":
            info = {"name": "bare", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            names = [*SCHEMAS, *grown]
            start = int(params.get("cursor") or 0)
            tools = [{"name": name, "inputSchema": SCHEMAS.get(name, SCHEMAS["pid"])} for name in names]
            page = {"tools": tools[start : start + 5]}
            if start + 5 < len(names) or ODD == "endless":
                page["nextCursor"] = str(start + 5)
            return page
        case "tools/call":
            return call(params["name"], params.get("arguments") or {})
    return None


if ODD == "silent":
    time.sleep(600)
for line in sys.stdin:
    if ODD == "leaves":
        sys.exit(0)
    request = json.loads(line)
    if "id" not in request or "method" not in request:
        continue
    answer = result(request["method"], request.get("params") or {})
    if (request.get("params") or {}).get("name") == "never":
        continue
    if answer is None:
        send({"id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
    else:
        send({"id": request["id"], "result": answer})
