"""Image headers of any stated size, without the pixels."""

from __future__ import annotations

import struct


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + bytes(4)


def png(width: int = 800, height: int = 600, *, do: str = "", then: tuple[int, int] | None = None, between: int = 0) -> bytes:
    """`do` is for the stand-in of Kraken; `then` is a second header, which overrules the first, after so many bytes `between`."""
    first, second = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)) if size else b"" for size in ((width, height), then)
    )
    body = first + (chunk(b"prIv", bytes(between)) if between else b"") + second
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"tEXt", f"do:{do} ".encode() if do else b"") + chunk(b"IDAT", b"")


def jpeg(width: int = 800, height: int = 600, *, marker: int = 0xC0, then: bytes = b"") -> bytes:
    """`then` comes between the frame's header and the scan."""
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
        + then
        + b"\xff\xda\x00\x02"
    )


def tiff(
    width: int = 800, height: int = 600, *, order: str = "<", big: bool = False, second: tuple[int, int] | None = None,
    kind: int = 0, count: int = 1,
) -> bytes:  # fmt: skip
    """`second` is the size told by the next directory; `kind` and `count` are what the sizes say of themselves."""
    mark = b"II" if order == "<" else b"MM"
    entry, tags, offset = ("HHQQ", "Q", "Q") if big else ("HHII", "H", "I")
    head = mark + (struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42))
    at = len(head) + struct.calcsize("=" + offset)
    content = head + struct.pack(order + offset, at)
    sizes = [size for size in ((width, height), second) if size]
    for number, size in enumerate(sizes):
        entries = b"".join(
            struct.pack(order + entry, tag, kind or (16 if big else 4), count, value)
            for tag, value in ((256, size[0]), (257, size[1]))
        )
        block = struct.pack(order + tags, 2) + entries
        at += len(block) + struct.calcsize("=" + offset)
        content += block + struct.pack(order + offset, at if number + 1 < len(sizes) else 0)
    return content


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def jp2(width: int = 800, height: int = 600, *, stream: tuple[int, int] | None = None, between: bytes = b"") -> bytes:
    """`stream` is the size the codestream tells, where it is not the header's; `between` comes before the codestream."""
    head = b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ihdr", struct.pack(">IIHBBBB", height, width, 3, 7, 7, 0, 0))
    right, low = stream or (width, height)
    return head + between + b"\0\0\0\0jp2c\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, right, low, 0, 0) + bytes(40)
