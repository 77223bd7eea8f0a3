# SPDX-License-Identifier: Apache-2.0
"""The certificate of the loopback servers, made anew in each process and trusted by nobody who is not told to."""

import datetime
import functools
import importlib
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from runwright.errors import MissingDependencyError

_LIFETIME = datetime.timedelta(days=1)


class _Pem(NamedTuple):
    certificate: bytes
    key: bytes


def server_context() -> ssl.SSLContext:
    """What a server on 127.0.0.1 speaks TLS with.

    Raises:
        MissingDependencyError: ``cryptography`` is not installed.
    """
    pem = _made()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads keys from files only
        path = Path(folder, "loopback.pem")
        path.touch(mode=0o600)
        path.write_bytes(pem.key + pem.certificate)
        context.load_cert_chain(path)
    return context


def client_context() -> ssl.SSLContext:
    """What a client of it speaks TLS with."""
    return ssl.create_default_context(cadata=_made().certificate.decode())


@functools.cache
def _made() -> _Pem:
    try:
        x509: Any = importlib.import_module("cryptography.x509")
        hashes: Any = importlib.import_module("cryptography.hazmat.primitives.hashes")
        serialization: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
        curves: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ec")
    except ImportError as error:
        raise MissingDependencyError(
            "A loopback server's certificate is made with cryptography, which is not installed: "
            "pip install 'runwright[recordings]'"
        ) from error
    key = curves.generate_private_key(curves.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "runwright loopback")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _LIFETIME).not_valid_after(now + _LIFETIME)
    builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    plain_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _Pem(signed.public_bytes(serialization.Encoding.PEM), plain_key)
