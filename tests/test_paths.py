"""Paths that a hostile or careless server may send: we accept what openssl accepts, and say where it finds no path."""

from __future__ import annotations

import subprocess
import time
from functools import cache
from itertools import permutations

import pytest

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit_content
from opensslgen.openssl import command
from opensslgen.report.tally import COMPLIES, verdict
from opensslgen.rules.profiles import rules_of
from opensslgen.x509.certificate import decode

from .corpus.der import PRINTABLE, days, dns, ec_key, eku, extension, key_usage, moment, name, seq, uri
from .corpus.der import basic_constraints as constraints
from .corpus.limits import name_constraints
from .corpus.writing import AT, LEAF_KEY, authority, leaf, pem

GOOD, BAD, CHOICE = "good", "bad", "openssl finds no path"
PAST = {"begins": moment("2020-01-01"), "valid": days(365)}
FUTURE = {"begins": moment("2026-03-01"), "valid": days(365)}
BARE = ["AKI", "SKI"]


def named(text):
    return name(("O", "Example Ltd"), ("CN", text))


@cache
def ca(common_name, issuer=None, *, key=None, signer=None, number=0, **options):
    """Write a CA; its key and its signer's are those of their names unless others are given."""
    return authority(
        subject=options.pop("subject", None) or named(common_name),
        issuer=None if issuer is None else named(issuer),
        key=ec_key(key or common_name),
        signer=None if issuer is None else ec_key(signer or issuer),
        serial=(1 << 100) + number,
        **{"valid": days(3000), **options, "drop": tuple(options.get("drop", ())), "extra": options.get("extra", ())},
    )


def below(issuer, *, signer=None, **options):
    """Write a leaf that a CA has signed."""
    return leaf(issuer=named(issuer), signer=ec_key(signer or issuer), **options)


def tower(height):
    """Write a leaf and its issuers, each above the other."""
    return below("1"), [ca(str(level), str(level + 1)) for level in range(1, height)], [ca(str(height))]


def crowd(many, *, good=None):
    """Write CAs of one name without key identifiers, each with another key, and a leaf below one of them or none."""
    others = [ca("M", "R", key=f"M{number}", number=number, drop=("AKI", "SKI")) for number in range(many)]
    return below("M", signer="lost" if good is None else f"M{good}", drop=BARE), others, [ca("R")]


def twins(good_first, **flaws):
    """Write two CAs of one name and key of which one has a flaw."""
    good, bad = ca("M", "R"), ca("M", "R", number=1, **flaws)
    return below("M"), [good, bad] if good_first else [bad, good], [ca("R")]


def mutual(many, *, rooted):
    """Write CAs of which each has signed every other."""
    letters = [f"CA {number}" for number in range(many)]
    others = [ca(*pair) for pair in permutations(letters, 2)]
    return below(letters[0]), others, [ca(letters[-1] if rooted else "R")]


def resigned(der):
    """Return a certificate with a signature that its issuer did not make."""
    return der[:-1] + bytes([der[-1] ^ 1])


AIA = extension("1.3.6.1.5.5.7.1.1", seq(seq(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02", uri("http://127.0.0.1/ca"))))
UNKNOWN = extension("1.2.3.4", b"\x05\x00", critical=True)
ITSELF = leaf(issuer=named("L"), subject=named("L"), signer=LEAF_KEY, drop=["AKI"])
ELSEWHERE = name_constraints(permitted=[dns("example.org")])

SHAPES = {
    "a leaf, a CA and a root": (GOOD, lambda: (below("M"), [ca("M", "R")], [ca("R")])),
    "the root is sent as well": (GOOD, lambda: (below("M"), [ca("M", "R"), ca("R")], [ca("R")])),
    "out of order": (GOOD, lambda: (below("M"), [ca("R"), ca("N", "R"), ca("M", "N")], [ca("R")])),
    "the CA is missing": (BAD, lambda: (below("M"), [], [ca("R")])),
    "a CA that is trusted without its root": (GOOD, lambda: (below("M"), [], [ca("M", "R")])),
    "a CA that is trusted, and its root sent": (GOOD, lambda: (below("M"), [ca("R")], [ca("M", "R")])),
    "cross-signed, the first is trusted": (GOOD, lambda: (below("M"), [ca("M", "R"), ca("M", "S")], [ca("R")])),
    "cross-signed, the second is trusted": (CHOICE, lambda: (below("M"), [ca("M", "R"), ca("M", "S")], [ca("S")])),
    "cross-signed, none is trusted": (BAD, lambda: (below("M"), [ca("M", "R"), ca("M", "S")], [ca("T")])),
    "a cross-signed root": (GOOD, lambda: (below("M"), [ca("M", "R"), ca("R", "S")], [ca("S")])),
    "a cross-signed root that is trusted": (GOOD, lambda: (below("M"), [ca("M", "R"), ca("R", "S")], [ca("R")])),
    "a circle with a way out": (GOOD, lambda: (below("A"), [ca("A", "B"), ca("B", "A"), ca("A", "R")], [ca("A")])),
    "a circle without a way out": (BAD, lambda: (below("A"), [ca("A", "B"), ca("B", "A")], [ca("R")])),
    "a circle of its own": (BAD, lambda: (below("A"), [ca("A", "A", number=1, signer="B")], [ca("R")])),
    "seven CAs that signed each other": (GOOD, lambda: mutual(7, rooted=True)),
    "seven CAs that signed each other, untrusted": (BAD, lambda: mutual(7, rooted=False)),
    "200 CAs of one name": (GOOD, lambda: crowd(200, good=0)),
    "200 CAs of one name, the tenth is right": (CHOICE, lambda: crowd(200, good=9)),
    "200 CAs of one name, the last is right": (BAD, lambda: crowd(200, good=199)),
    "200 CAs of one name, none is right": (BAD, lambda: crowd(200)),
    "a tower of ten": (GOOD, lambda: tower(10)),
    "a tower of thirty": (GOOD, lambda: tower(30)),
    "a tower of sixty": (GOOD, lambda: tower(60)),
    "one key with two names": (GOOD, lambda: (below("M"), [ca("N", "R", key="M"), ca("M", "R")], [ca("R")])),
    "a CA of another name with the key": (BAD, lambda: (below("M"), [ca("N", "R", key="M")], [ca("R")])),
    "the right name with another key": (BAD, lambda: (below("M"), [ca("M", "R", key="N")], [ca("R")])),
    "roots of one name, the first is right": (
        GOOD,
        lambda: (below("R", drop=BARE), [], [ca("R", drop=("SKI",)), ca("R", key="S", drop=("SKI",))]),
    ),
    "roots of one name, the second is right": (
        CHOICE,
        lambda: (below("R", signer="S", drop=BARE), [], [ca("R", drop=("SKI",)), ca("R", key="S", drop=("SKI",))]),
    ),
    "an untrusted root of the same name": (
        GOOD,
        lambda: (below("M"), [ca("R", key="S"), ca("M", "R")], [ca("R")]),
    ),
    "an expired twin after it": (GOOD, lambda: twins(True, **PAST)),
    "an expired twin before it": (GOOD, lambda: twins(False, **PAST)),
    "a twin of next month before it": (GOOD, lambda: twins(False, **FUTURE)),
    "both have expired": (BAD, lambda: (below("M"), [ca("M", "R", **PAST), ca("M", "S", **PAST)], [ca("R")])),
    "an expired cross-sign before a valid root": (
        GOOD,
        lambda: (below("M"), [ca("M", "R"), ca("R", "S", **PAST), ca("S")], [ca("R")]),
    ),
    "a twin that is no CA after it": (GOOD, lambda: twins(True, extra=(constraints(ca=False),))),
    "a twin that is no CA before it": (CHOICE, lambda: twins(False, extra=(constraints(ca=False),))),
    "a twin that must not sign before it": (CHOICE, lambda: twins(False, extra=(key_usage("cRLSign"),))),
    "a twin for clients before it": (CHOICE, lambda: twins(False, extra=(eku("client"),))),
    "a twin for other names before it": (CHOICE, lambda: twins(False, extra=(ELSEWHERE,))),
    "a twin with an unknown critical extension before it": (CHOICE, lambda: twins(False, extra=(UNKNOWN,))),
    "a longer way that has no room": (
        CHOICE,
        lambda: (below("M"), [ca("M", "N"), ca("N", "R", path_length=0), ca("M", "R")], [ca("R")]),
    ),
    "a false signature before it": (
        BAD,
        lambda: (below("M"), [resigned(ca("M", "R", number=1)), ca("M", "R")], [ca("R")]),
    ),
    "the same CA fifty times": (GOOD, lambda: (below("M"), [ca("M", "R")] * 50, [ca("R")])),
    "the leaf is sent twice": (GOOD, lambda: (below("M"), [below("M"), ca("M", "R")], [ca("R")])),
    "names in capitals and other strings": (
        GOOD,
        lambda: (
            below("M"),
            [ca("M", "R", subject=name(("O", " EXAMPLE  ltd"), ("CN", "m"), tag=PRINTABLE))],
            [ca("R")],
        ),
    ),
    "a new root that the old one of its name signed": (
        GOOD,
        lambda: (below("M"), [ca("M", "R"), ca("R", "R", signer="old", number=1)], [ca("R", key="old")]),
    ),
    "where to fetch the issuer leads in a circle": (
        BAD,
        lambda: (below("A", extra=[AIA]), [ca("A", "B", extra=(AIA,)), ca("B", "A", extra=(AIA,))], [ca("R")]),
    ),
    "a leaf with the name of its issuer": (
        GOOD,
        lambda: (below("M", subject=named("M")), [ca("M", "R")], [ca("R")]),
    ),
    "CAs whose names differ in one letter": (
        GOOD,
        lambda: (below("Root A"), [ca("Root A", "Root C"), ca("Root A", "Root C", number=1)], [ca("Root C")]),
    ),
    "a CA that another with a similar name signed, not at hand": (
        GOOD,
        lambda: (below("M"), [ca("M", "Root A"), ca("Root A", "Root C")], [ca("Root A")]),
    ),
    "a leaf that is its own root": (GOOD, lambda: (ITSELF, [], [ITSELF])),
}


def settings(roots):
    return Settings(
        rules=rules_of(["apple"], ["apple-validity"]),
        at=AT,
        roots=tuple(map(decode, roots)),
        openssl=command.find,
        jobs=1,
    )


def by_openssl(folder, below_all, others, roots):
    for file_name, certificates in (("leaf", [below_all]), ("others", others), ("roots", roots)):
        (folder / file_name).write_text("".join(map(pem, certificates)))
    argv = ["openssl", "verify", "-partial_chain", "-purpose", "sslserver", "-attime", str(int(AT.timestamp()))]
    argv += ["-untrusted", "others"] if others else []
    done = subprocess.run([*argv, "-CAfile", "roots", "leaf"], cwd=folder, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize("shape", SHAPES)
def test_a_path_is_good_where_openssl_finds_one_and_otherwise_it_is_said(shape, tmp_path):
    expected, make = SHAPES[shape]
    below_all, others, roots = make()
    accepted, why = by_openssl(tmp_path, below_all, others, roots)
    assert accepted is (expected == GOOD), why
    begun = time.process_time()
    (result,) = audit_content("".join(map(pem, [below_all, *others])).encode(), "sent", settings(roots))
    assert time.process_time() - begun < 3
    found = {finding.rule.id: finding.message for finding in result.findings}
    assert (verdict(result) == COMPLIES) is (expected != BAD), found
    assert expected == BAD or ("chain-choice" in found) is (expected == CHOICE), found


def test_paths_that_were_not_tried_are_mentioned():
    certificate, others, roots = crowd(200, good=199)
    (result,) = audit_content("".join(map(pem, [certificate, *others])).encode(), "sent", settings(roots))
    assert "only 16 of the possible chains were tried" in result.notes
