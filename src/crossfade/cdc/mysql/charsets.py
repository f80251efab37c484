"""Text as the server keeps it: its character sets as Python's codecs, and collations by their numbers.

Both ways in give a column's bytes as they are stored, and one function makes text of them; so a SELECT and the log
cannot differ. What has no codec in Python (dec8, hp8, swe7, ...) is refused: half-right text would be stored for ever.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

from crossfade.cdc.changes import ChangeUnreadable

BINARY: Final = "binary"

CODECS: Final = {
    "ascii": "ascii",
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
    "latin2": "iso8859-2",
    "latin5": "iso8859-9",
    "latin7": "iso8859-13",
    "greek": "iso8859-7",
    "hebrew": "iso8859-8",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1256": "cp1256",
    "cp1257": "cp1257",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp866": "cp866",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "tis620": "tis-620",
    "sjis": "shift_jis",
    "cp932": "cp932",
    "ujis": "euc_jp",
    "eucjpms": "euc_jp",
    "euckr": "euc_kr",
    "gb2312": "gb2312",
    "gbk": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
    "macroman": "mac-roman",
    "macce": "mac-latin2",
}


def _latin1_table() -> str:
    """Windows-1252, as the server's latin1 is, with the five bytes that it leaves open as control characters."""
    letters = [bytes([byte]).decode("cp1252", "replace") for byte in range(256)]
    return "".join(chr(byte) if letter == "�" else letter for byte, letter in enumerate(letters))


LATIN1: Final = _latin1_table()
_LATIN1_BYTES: Final = codecs.charmap_build(LATIN1)


@cache
def decoder(charset: str) -> Callable[[bytes], str]:
    """The function from stored bytes to text. Raises ChangeUnreadable where Python has no such codec."""
    if charset == "latin1":
        return lambda stored: codecs.charmap_decode(stored, "strict", cast("Any", LATIN1))[0]
    if _codec(charset) == "utf-8":
        return bytes.decode  # a tenth of what the general way takes
    decode = codecs.getdecoder(_codec(charset))
    errors = "surrogatepass" if charset == "ucs2" else "strict"  # the server keeps half a pair in ucs2
    return lambda stored: decode(stored, errors)[0]


@cache
def encoder(charset: str) -> Callable[[str], bytes]:
    """The function from text to stored bytes. Raises ChangeUnreadable where Python has no such codec."""
    if charset == "latin1":
        return lambda text: codecs.charmap_encode(text, "strict", _LATIN1_BYTES)[0]
    encode = codecs.getencoder(_codec(charset))
    errors = "surrogatepass" if charset == "ucs2" else "strict"
    return lambda text: encode(text, errors)[0]


def _codec(charset: str) -> str:
    codec = CODECS.get(charset)
    if codec is None:
        raise ChangeUnreadable(
            f"text in the character set {charset} cannot be read",
            next_step="convert the column on the source: ALTER TABLE ... MODIFY ... CHARACTER SET utf8mb4",
        )
    return codec
