"""From the body of a request to the bytes of its pictures, within limits and in memory alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from benchmarks.publish.service.refusals import Refused

PICTURES = 16  # of one request
RAW = ("image/", "application/octet-stream")
FORM = "multipart/form-data"
HOW = f"send the bytes of one picture (image/..., application/octet-stream), or up to {PICTURES} files as {FORM}"


async def pictures_of(request: Request, most: int) -> list[bytes]:
    """Return the encoded pictures of a request whose body has at most `most` bytes.

    Raises Refused: 413 where it is larger, 415 where it is of another kind, 422 where it is no such form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM and kind and not kind.startswith(RAW):
        raise Refused(415, f"a body of the type {kind[:60]} cannot be read: {HOW}")
    body = await _body(request, most)
    if not body:
        raise Refused(415, f"the body is empty: {HOW}")
    return await _files(request, body) if kind == FORM else [body]


async def _body(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    too_large = Refused(413, f"the body is larger than {most / 2**20:g} MiB")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
            if len(read) > most:
                raise too_large
    except ClientDisconnect:
        raise Refused(400, "the body did not come to its end") from None
    return bytes(read)


class _InMemory(MultiPartParser):
    """A parser that writes no file to the disk: what it is given has its limit already."""

    spool_max_size = 2**62


async def _files(request: Request, body: bytes) -> list[bytes]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(request.headers, stream(), max_files=PICTURES, max_fields=0).parse()
    except MultiPartException as error:
        raise Refused(422, f"the form cannot be read: {HOW} ({error.message})") from None
    files = [value for _, value in form.multi_items() if not isinstance(value, str)]
    pictures = [await file.read() for file in files]
    await form.close()
    if not pictures:
        raise Refused(422, f"the form has no files: {HOW}")
    return pictures
