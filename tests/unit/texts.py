"""Bytes that a word count may trip over, and what they must count to."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from minimr.shared.mapreduce.sources import MARKS, PACKINGS

BOM = b"\xef\xbb\xbf"

WORDS = [
    b"a", b"The", b"the", b"THE", b"don't", b"I", b"x" * 30,
    "Σ".encode(), "ΟΔΟΣ".encode(), "Σ.Σ".encode(), "'Σ".encode(),
    "İI".encode(), "ß".encode(), "\u212a".encode(), "Ǆ".encode(),
    "😀".encode(), "e\u0301".encode(), "\u00ad".encode(), b"\0", BOM,
]  # fmt: skip
ASCII_SPACE = [b" ", b"\n", b"\r\n", b"\t", b"\v", b"\f", b"  \n"]
OTHER_SPACE = [
    b"\x1c", b"\x1d", b"\x1e", b"\x1f",
    *(
        character.encode()
        for character in "\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u3000"
    ),
]  # fmt: skip
NOT_UTF8 = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xc0a"]

VALID = st.lists(
    st.sampled_from([*WORDS, *ASCII_SPACE * 2, *OTHER_SPACE])
    | st.text(max_size=5).map(lambda text: text.encode()),
    max_size=30,
).map(b"".join)
# A file that begins so is unpacked, or read in another encoding. Bytes by
# chance would not, but Hypothesis knows the constants of the code it tests.
ELSE = (
    *(magic for each in PACKINGS.values() for magic in each.magic),
    *(mark for mark in MARKS if mark != BOM),
)
CONTENT = (
    VALID
    | st.lists(
        st.sampled_from([*WORDS, *ASCII_SPACE * 3, *OTHER_SPACE, *NOT_UTF8])
        | st.binary(max_size=5),
        max_size=30,
    ).map(b"".join)
).filter(lambda content: not content.startswith(ELSE))


def counted(content: bytes) -> Counter[str]:
    """Count as the rule says, all at once."""
    text = content.decode("utf-8-sig", errors="replace")
    return Counter(text.lower().split())
