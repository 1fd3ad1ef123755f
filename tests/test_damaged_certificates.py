from __future__ import annotations

import copy
import random

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import given, settings
from hypothesis import strategies as st

from opensslgen.x509.certificate import decode
from opensslgen.x509.der import DecodeError
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.request import decode_request

from . import readers
from .der_writer import (
    COMMON_NAME,
    NULL_ELEMENT,
    TRUE,
    attribute,
    certificate,
    context,
    extension,
    implicit,
    number,
    oid,
    rdn,
    read_by_cryptography,
    seq,
    tlv,
    utf8,
)
from .extension_values import READABLE
from .signers import KEYS, public_der

USAGE = extension(EXTENSIONS["extendedKeyUsage"], seq(oid("1.3.6.1.5.5.7.3.1")))

BASES = [
    certificate(extension(EXTENSIONS.get(kind, kind), value, TRUE), USAGE)
    for kind, value in READABLE
    if kind != "extendedKeyUsage"
] + [
    certificate(
        subject=seq(
            rdn(attribute("2.5.4.6", tlv(0x13, b"DE"))),
            rdn(attribute(COMMON_NAME, utf8("a")), attribute(COMMON_NAME, utf8("b"))),
            rdn(attribute("2.5.4.10", tlv(0x1E, b"\0a"))),
            rdn(attribute("0.9.2342.19200300.100.1.25", tlv(0x16, b"com"))),
        ),
        algorithm=algorithm,
        spki=public_der(key),
        not_after=tlv(0x18, b"20500101000000Z"),
        rest=implicit(1, b"\0\1") + context(3, seq(USAGE)),
    )
    for key in KEYS.values()
    for algorithm in (
        seq(oid("1.2.840.113549.1.1.11"), NULL_ELEMENT),
        seq(
            oid("1.2.840.113549.1.1.10"),
            seq(context(0, seq(oid("2.16.840.1.101.3.4.2.1"), NULL_ELEMENT)), context(2, number(32))),
        ),
    )
]


def assert_a_verdict_that_others_share(der: bytes) -> bool:
    """Return whether the bytes are decoded.

    What is decoded as DER must be readable to cryptography, and what deviates from it to another reader, who agrees.
    """
    try:
        ours = decode(der)
    except DecodeError:
        return False
    if ours.deviations:
        said = readers.ours(der)
        others = (readers.answer(read, der) for read in readers.JUDGES)
        assert any(isinstance(other, dict) and readers.agree(said, other) for other in others), ours.deviations
        return True
    try:
        read_by_cryptography(der)
    except UnsupportedAlgorithm:
        # It does not know the algorithm or the curve, which says nothing about the encoding.
        pass
    except ValueError:
        # An unknown kind of key is to cryptography an error of one kind or another.
        if "." not in ours.public_key.algorithm:
            raise
    return True


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_changed_bytes_give_a_decode_error_or_what_others_read(data: st.DataObject) -> None:
    der = bytearray(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(der) - 1))
        kind = data.draw(st.sampled_from(["flip", "insert", "delete"]))
        if kind == "flip":
            der[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "insert":
            der.insert(at, data.draw(st.integers(0, 255)))
        else:
            del der[at]
    assert_a_verdict_that_others_share(bytes(der))


Tree = list[list]  # a tag, and bytes or what is inside


def parsed(data: bytes) -> Tree | None:
    """Return the elements that the bytes are, opened as far as they go, or None."""
    tree, at = [], 0
    while at < len(data):
        if len(data) < at + 2:
            return None
        tag, length, start = data[at], data[at + 1], at + 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2 : start], "big")
        at = start + length
        if at > len(data):
            return None
        content = data[start:at]
        head = 1 if tag == 3 and content else 0
        inside = parsed(content[head:]) if content[head:] and (tag & 0x20 or tag in (3, 4)) else None
        if inside is None or written(inside) != content[head:]:
            tree.append([tag, content, []])
        else:
            tree.append([tag, content[:head], inside])
    return tree


def written(tree: Tree) -> bytes:
    return b"".join(tlv(tag, content, written(inside)) for tag, content, inside in tree)


def places(tree: Tree) -> list[tuple[Tree, int]]:
    return [place for index, node in enumerate(tree) for place in ((tree, index), *places(node[2]))]


TAGS = (
    1,
    2,
    3,
    4,
    5,
    6,
    10,
    12,
    18,
    19,
    20,
    22,
    23,
    24,
    26,
    28,
    30,
    48,
    49,
    128,
    129,
    130,
    134,
    135,
    136,
    *range(160, 166),
)


def damage(tree: Tree, choice: random.Random) -> None:
    """Change one element, with all the lengths around it still right."""
    everywhere = places(tree)
    siblings, index = choice.choice(everywhere)
    others, other = choice.choice(everywhere)
    node = siblings[index]
    action = choice.randrange(8)
    if action == 0:
        node[0] = choice.choice(TAGS)
    elif action == 1:
        node[0] ^= 1 << choice.randrange(8)
    elif action == 2:
        del siblings[index]
    elif action == 3:
        siblings.insert(index, copy.deepcopy(others[other]))
    elif action == 4:
        siblings[index] = copy.deepcopy(others[other])
    elif action == 5:
        siblings.insert(index, siblings.pop(choice.randrange(len(siblings))))
    elif action == 6:
        node[1:] = b"", []
    elif node[1]:
        content = bytearray(node[1])
        content[choice.randrange(len(content))] = choice.choice((0, 1, 0x2A, 0x7F, 0x80, 0xFF, choice.randrange(256)))
        at = choice.randrange(len(content))
        content[at:at] = bytes(choice.randrange(256) for _ in range(choice.choice((0, 0, 0, 1))))
        node[1] = bytes(content)


@pytest.mark.slow
def test_damaged_structures_give_a_decode_error_or_what_others_read() -> None:
    choice = random.Random(1)
    trees = [parsed(base) for base in BASES]
    assert [written(tree) for tree in trees if tree] == BASES
    decoded = 0
    for _ in range(10_000):
        tree = copy.deepcopy(choice.choice(trees))
        assert tree
        damage(tree, choice)
        decoded += assert_a_verdict_that_others_share(written(tree))
    # Were all of them refused, or none, this would prove nothing.
    assert 1_000 < decoded < 6_000


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_decode_error(data: bytes) -> None:
    for reader in (decode, decode_request):
        with pytest.raises(DecodeError):
            reader(data)


def test_every_beginning_of_a_certificate_is_refused() -> None:
    for base in (BASES[0], BASES[-1]):
        for length in range(len(base)):
            with pytest.raises(DecodeError):
                decode(base[:length])
