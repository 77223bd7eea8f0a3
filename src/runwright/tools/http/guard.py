# SPDX-License-Identifier: Apache-2.0
"""Which addresses a tool may connect to."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

from runwright.errors import ConfigurationError, ToolExecutionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
# Public by its number, and yet inside: the host of a virtual machine on Azure.
_INSIDE = frozenset((ipaddress.ip_address("168.63.129.16"),))


class AddressGuard:
    """Gives the addresses of a host where each of them may be connected to.

    Loopback, private, link-local (which metadata services of clouds are on), shared, multicast and reserved addresses
    are refused, also inside an IPv6 address.

    Args:
        allow_private_hosts: True allows all. Otherwise what is allowed: host names, addresses, or networks such as
            ``10.1.0.0/16``.
    """

    def __init__(self, allow_private_hosts: bool | Iterable[str] = False) -> None:
        if isinstance(allow_private_hosts, str):
            raise ConfigurationError("allow_private_hosts is True, False or a list of hosts, addresses and networks")
        self._all = allow_private_hosts is True
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        for one in () if isinstance(allow_private_hosts, bool) else allow_private_hosts:
            try:
                self._networks.append(ipaddress.ip_network(one))
            except ValueError:
                if "/" in one:
                    raise ConfigurationError(
                        f"allow_private_hosts has {one!r}: give a host, an address or a network"
                    ) from None
                self._hosts.add(one.lower().rstrip("."))

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, found once: connect to these.

        Raises:
            ToolExecutionError: One of them may not be connected to.
            OSError: The host has none.
        """
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._all and host.lower().rstrip(".") not in self._hosts:
            for address in addresses:
                self._check(host, ipaddress.ip_address(address.partition("%")[0]))
        return addresses

    def _check(self, host: str, address: Address) -> None:
        if is_public(address) or any(address in network for network in self._networks):
            return
        raise ToolExecutionError(
            f"{host} is at {address}, which is not a public address, and this tool may not connect to it",
            "ADDRESS_REFUSED",
        )


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(inner)
        # Where the address inside one of a local NAT64 stands is the network's own matter.
        if address.teredo is not None or address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _INSIDE
