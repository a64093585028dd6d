"""Images of a request: data URLs, and where it is allowed images that are fetched."""

from __future__ import annotations

import base64
import re
import threading
import urllib.request

from visionthink_pl.commands.serve.refusal import RequestRefused
from visionthink_pl.images import ImageDecodeError, Size, look

PARAM = "messages"
DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
WEB_URL = re.compile(r"https?://", re.IGNORECASE)
# Others have decoders that seldom are fed by strangers, or that run programs.
SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")
DECODING = threading.Lock()  # one at a time: each may take hundreds of megabytes
SECONDS = 10.0  # that a server of images may be silent


def image_bytes(url: str, allow_urls: bool, most_bytes: int) -> bytes:
    """The file of an image.

    Args:
        url: ``data:image/...;base64,...``, or of an image on the web.
        allow_urls: whether images are fetched from the web.
        most_bytes: that a fetched image may have.

    Raises:
        RequestRefused: it is neither, is not fetched here, or can't be.
    """
    if head := DATA_URL.match(url):
        try:
            return base64.b64decode(url[head.end() :], validate=True)
        except ValueError as error:
            raise RequestRefused(f"the image's base64 is broken: {error}", PARAM) from error
    if not WEB_URL.match(url):
        raise RequestRefused(
            f"image_url.url: data:image/png;base64,... or the like, not {url[:40]!r}", PARAM
        )
    if not allow_urls:
        raise RequestRefused(
            "images are not fetched here: send a data URL (data:image/png;base64,...), or start "
            "the server with --allow-urls",
            PARAM,
        )
    return _fetched(url, most_bytes)


def _fetched(url: str, most_bytes: int) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as response:  # noqa: S310 (http alone)
            content: bytes = response.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise RequestRefused(f"the image can't be fetched: {error}", PARAM) from error
    if len(content) > most_bytes:
        raise RequestRefused(f"the image has more than {most_bytes:,} bytes", PARAM)
    return content


def looked_at(content: bytes) -> Size:
    """The size of an image, by its header as far as that will do.

    Raises:
        RequestRefused: it is no PNG, JPEG, WebP or GIF, can't be decoded, or is too large.
    """
    if not content.startswith(SIGNATURES):
        raise RequestRefused("an image of the request is no PNG, JPEG, WebP or GIF", PARAM)
    try:
        with DECODING:
            return look(content)
    except ImageDecodeError as error:
        raise RequestRefused(f"an image of the request: {error}", PARAM) from error
