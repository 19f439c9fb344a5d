"""Image headers of any stated size, without the pixels."""

from __future__ import annotations

import struct


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + bytes(4)


def png(width: int = 800, height: int = 600, *, do: str = "", then: tuple[int, int] | None = None) -> bytes:
    """`do` is for the stand-in of Kraken; `then` is a second header, which overrules the first."""
    headers = [struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0) for size in ((width, height), then) if size]
    body = b"".join(chunk(b"IHDR", header) for header in headers)
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"tEXt", f"do:{do} ".encode() if do else b"") + chunk(b"IDAT", b"")


def jpeg(width: int = 800, height: int = 600, *, marker: int = 0xC0) -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    # An embedded preview (in an application segment) has a frame of its own, which is not the image's.
    preview = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 9, 9, 3)
    return (
        b"\xff\xd8\xff\xe1"
        + struct.pack(">H", len(preview) + 2)
        + preview
        + b"\xff\xff"
        + bytes([marker])
        + frame
        + b"\xff\xda\x00\x02"
    )


def tiff(
    width: int = 800, height: int = 600, *, order: str = "<", big: bool = False, second: tuple[int, int] | None = None
) -> bytes:
    """`second` is the size told by the next directory."""
    mark = b"II" if order == "<" else b"MM"
    entry, count, offset = ("HHQQ", "Q", "Q") if big else ("HHII", "H", "I")
    head = mark + (struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42))
    at = len(head) + struct.calcsize("=" + offset)
    content = head + struct.pack(order + offset, at)
    sizes = [size for size in ((width, height), second) if size]
    for number, size in enumerate(sizes):
        entries = b"".join(
            struct.pack(order + entry, tag, 16 if big else 4, 1, value) for tag, value in ((256, size[0]), (257, size[1]))
        )
        block = struct.pack(order + count, 2) + entries
        at += len(block) + struct.calcsize("=" + offset)
        content += block + struct.pack(order + offset, at if number + 1 < len(sizes) else 0)
    return content


def jp2(width: int = 800, height: int = 600, *, stream: tuple[int, int] | None = None) -> bytes:
    """`stream` is the size the codestream tells, where it is not the header's."""
    box = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I", 22) + b"ihdr" + struct.pack(">IIHBBBB", height, width, 3, 7, 7, 0, 0)
    right, low = stream or (width, height)
    return box + b"\0\0\0\0jp2c\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, right, low, 0, 0) + bytes(40)
