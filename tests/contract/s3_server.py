# SPDX-License-Identifier: Apache-2.0
"""A real S3 server on loopback, moto's, in a process of its own that ends with the tests."""

import http.client
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

PAGE = 50
"""How many keys a listing gives at once, where S3 itself gives 1000."""

# It stops when its standard input is closed, and so also when the tests are killed.
SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


class S3Server(NamedTuple):
    port: int

    @property
    def options(self) -> dict[str, Any]:
        """What an S3 client needs to come here, and not to wait long where something is wrong."""
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": "us-east-1",
            "access_key_id": "tests",
            "secret_access_key": "tests",
            "client_options": {"allow_http": True, "timeout": "30s"},
            "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        }

    def new_bucket(self) -> str:
        name = f"bucket-{uuid.uuid4().hex}"
        assert self.request("PUT", f"/{name}") == 200
        return name

    def check_access(self, check: bool) -> None:
        """From now on, whether only keys that belong to somebody may do anything."""
        allowed = b"0" if check else b"1000000000"
        assert self.request("POST", "/moto-api/reset-auth", allowed) == 200

    def request(self, method: str, path: str, body: bytes = b"") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


def running_s3_server() -> Iterator[S3Server]:
    """For a fixture to ``yield from``."""
    pytest.importorskip("moto", reason="the S3 server of these tests is moto, of the extra dev")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)},
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield S3Server(int(process.stdout.readline()))
        finally:
            process.terminate()
