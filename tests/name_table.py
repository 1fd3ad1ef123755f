"""The table of names and subjects in names.tsv, and any text that somebody may type for one."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import strategies as st

TABLE = Path(__file__).with_name("names.tsv")

ESCAPE = re.compile(r"\\(?:[\\tnr]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|(.?))")

FIELDS = {
    "C": "country",
    "ST": "state",
    "L": "locality",
    "O": "organization",
    "OU": "organizational_unit",
    "CN": "common_name",
    "emailAddress": "email_address",
}


def unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        assert match[1] is None, f"unknown escape {match[0]} in {text}"
        return match[0].encode("ascii").decode("unicode_escape")

    return ESCAPE.sub(character, text)


def cases() -> list[tuple[str, str, str, str]]:
    lines = TABLE.read_text("utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(function, verdict, unescaped(text), unescaped(expected)) for function, verdict, text, expected in rows]


TRICKY = st.lists(
    st.one_of(
        st.sampled_from("aZ09.-_:*@,/ %$#\\[]'\"`\n\t=;"),
        st.sampled_from(["xn--", "DNS:", "IP:", "URI:sip:", "email:", "10.0.0.1", "::1", "ü", "\u3002", "\u200d"]),
        st.characters(),
    ),
    max_size=20,
).map("".join)

ANY = st.one_of(st.text(), TRICKY)
