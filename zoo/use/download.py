"""A picture from an address that the user typed: http or https, a few megabytes, within seconds."""

from __future__ import annotations

import ipaddress
import socket
import time
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from zoo.use.errors import Unreadable

SCHEMES = ("http", "https")
SECONDS = 10
MEBIBYTES = 20
PIECE = 2**16  # bytes
AGENT = "fer-ensembles"


def download(address: str) -> bytes:
    """Return what lies at an address; raise Unreadable with the reason where it cannot be had.

    A redirect may not lead into a private network: the address was chosen by the user, where it leads to was not.
    """
    if urlsplit(address).scheme not in SCHEMES:
        raise Unreadable("is an address of another kind than http or https")
    try:
        opener = build_opener(_PublicRedirects)
        with opener.open(Request(address, headers={"User-Agent": AGENT}), timeout=SECONDS) as answer:
            content = _read(answer)
    except TimeoutError:
        raise Unreadable(f"does not answer within {SECONDS} seconds") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreadable(f"cannot be fetched: {reason}") from error
    return content


def _read(answer: HTTPResponse) -> bytes:
    """All that arrives, in pieces: neither too much nor for too long, however it is sent."""
    content, until = bytearray(), time.monotonic() + SECONDS
    while piece := answer.read1(PIECE):
        content += piece
        if len(content) > MEBIBYTES * 2**20:
            raise Unreadable(f"is larger than {MEBIBYTES} MiB")
        if time.monotonic() > until:
            raise Unreadable(f"does not arrive within {SECONDS} seconds")
    return bytes(content)


class _PublicRedirects(HTTPRedirectHandler):
    """Follows redirects that lead to a public address."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        target = urlsplit(newurl)
        if target.scheme not in SCHEMES or not _is_public(target.hostname or ""):
            raise URLError(f"it redirects to {target.netloc}, which is in a private network")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_public(host: str) -> bool:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_global for one in found)
