"""Which IP addresses are public, and which are of private networks or of a cloud's own services."""

from __future__ import annotations

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where clouds give credentials to whoever asks from inside; one of them is a public address.
_METADATA = frozenset(
    ipaddress.ip_address(a)
    for a in (
        "169.254.169.254",  # AWS, Azure, Google, OpenStack and others
        "169.254.170.2",  # tasks of AWS ECS
        "169.254.170.23",  # pods of AWS EKS
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")


def is_metadata(address: str) -> bool:
    """Whether a cloud's metadata service, which gives out credentials, is at this address.

    >>> is_metadata("169.254.169.254"), is_metadata("::ffff:169.254.169.254")
    (True, True)
    """
    return any(a in _METADATA for a in _with_embedded(_parsed(address)))


def not_public(address: str) -> str:
    """Why an address is not one of the public internet; "" if it is.

    Args:
        address: An IPv4 or IPv6 address. One that is embedded in it (NAT64, 6to4, Teredo, mapped) counts, too.

    >>> not_public("192.168.1.1"), not_public("64:ff9b::7f00:1"), not_public("93.184.215.14")
    ('private', 'loopback', '')
    """
    reasons = [r for a in _with_embedded(_parsed(address)) if (r := _reason(a))]
    return reasons[-1] if reasons else ""


def _parsed(address: str) -> _Address:
    return ipaddress.ip_address(address.partition("%")[0])  # after % is the interface


def _with_embedded(address: _Address) -> list[_Address]:
    """The address, or the IPv4 addresses in it that packets reach; both where either may be meant."""
    if not isinstance(address, ipaddress.IPv6Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [_last_bits(address)]
    embedded = [address.sixtofour, *(address.teredo or ())]
    if address in _COMPATIBLE and int(address) > 1:
        embedded.append(_last_bits(address))
    return [address, *(a for a in embedded if a is not None)]


def _last_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _reason(a: _Address) -> str:
    if a in _METADATA:
        return "a cloud metadata service"
    if a.is_unspecified or a.is_loopback:  # 0.0.0.0 is this machine, too
        return "loopback"
    if a.is_link_local:
        return "link-local"
    if a.version == 4 and a in _SHARED:
        return "of a carrier's network"
    if a.is_multicast:
        return "multicast"
    if a.version == 6 and a in _NAT64_LOCAL:
        return "of a local NAT64"
    if a.is_private or getattr(a, "is_site_local", False):
        return "private"
    return "" if a.is_global else "reserved"
