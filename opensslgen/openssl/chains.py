"""Check signatures: one `openssl verify` checks many chains at once."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.patterns import pattern
from opensslgen.text import visible
from opensslgen.x509.der import INTEGER, SEQUENCE, SET, encoded
from opensslgen.x509.names import canonical
from opensslgen.x509.pem import pem

from .command import OpenSSLError, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from opensslgen.rules.path import CanonicalName
    from opensslgen.x509.certificate import Certificate

    from .command import OpenSSL
    from .process import Process

MANY = 1000
"""The maximum number of certificates for one process."""
_NO_SIGNATURE = frozenset({4, 6, 7})
"""openssl's error numbers for a signature that the issuer's key did not make (x509_vfy.h)."""


class Question(NamedTuple):
    """A certificate and its issuers, the direct one first; the issuer of a self-signed one is itself."""

    certificate: Certificate
    issuers: tuple[Certificate, ...]
    purpose: str | None
    """A value of `openssl verify -purpose`."""
    others: tuple[Certificate, ...] | None = None
    """Certificates that are sent with it, in their order: openssl chooses the issuers among these, as a client does;
    None: it has no choice."""
    roots: tuple[Certificate, ...] = ()
    """What is trusted, if that is more than the last of the issuers."""

    @property
    def trusted(self) -> tuple[Certificate, ...]:
        """What is trusted."""
        return self.roots or self.issuers[-1:]

    @property
    def between(self) -> tuple[Certificate, ...]:
        """What is not trusted, and may lead to what is."""
        return self.issuers[:-1] if self.others is None else self.others

    @property
    def is_choice(self) -> bool:
        """Whether openssl has a choice, so that it needs the dates, and no other question beside it."""
        return self.others is not None


class Problem(NamedTuple):
    """One error of `openssl verify`."""

    number: int
    """X509_V_ERR_… of x509_vfy.h, the same in all versions."""
    depth: int
    """0 for the certificate, 1 for its issuer, and so on."""
    text: str

    @property
    def is_of_signature(self) -> bool:
        """Whether the issuer's key did not make the signature."""
        return self.number in _NO_SIGNATURE


class Answer(NamedTuple):
    """The result of openssl for one chain."""

    accepted: bool
    problems: tuple[Problem, ...] = ()
    text: str = ""
    """The output of openssl if it neither accepted the chain nor named a problem."""
    unable: str | None = None
    """Why this openssl cannot check the chain."""


def verify(questions: Sequence[Question], *, openssl: OpenSSL, at: datetime) -> list[Answer]:
    """Return the result for each chain, if its last certificate is trusted; raises OpenSSLError.

    Without -partial_chain (LibreSSL, OpenSSL before 1.0.2) only chains up to a root can be verified.
    """
    answers: dict[int, Answer] = {}
    names = {each.der: each.subject for question in questions for each in question.issuers}
    canonicals = {der: canonical(name) for der, name in names.items()}
    baskets: list[_Basket] = []
    full = 0
    same: dict[tuple[object, ...], int] = {}
    """The first place of equal questions: a pki folder has the same certificate in several files."""
    firsts = []
    for place, question in enumerate(questions):
        certificates = (*question.issuers, *(question.others or ()), *question.roots)
        key = question.certificate.der, question.purpose, question.is_choice, *(each.der for each in certificates)
        firsts.append(same.setdefault(key, place))
        if firsts[-1] != place:
            continue
        if not question.issuers[-1].is_self_issued and not openssl.can("-partial_chain"):
            answers[place] = Answer(False, unable=f"{openssl.banner} cannot verify a chain without its root")
            continue
        if question.is_choice:
            baskets.append(_Basket(question.purpose, [(place, question)], is_full=True))
            continue
        while not any(basket.take(place, question, canonicals) for basket in baskets[full:]):
            baskets.append(_Basket(question.purpose))
            full = max(full, len(baskets) - _OPEN_BASKETS)
    for basket in baskets:
        _ask_below_roots(basket.contents, openssl, at, answers)
    return [answers[place] for place in firsts]


_OPEN_BASKETS = 8


@dataclass
class _Basket:
    """Questions for one process: all issuers have different names, so openssl cannot confuse them."""

    purpose: str | None
    contents: list[tuple[int, Question]] = field(default_factory=list)
    issuers: dict[CanonicalName, bytes] = field(default_factory=dict)
    trusted: set[bytes] = field(default_factory=set)
    """The last certificates of the chains."""
    between: set[bytes] = field(default_factory=set)
    asked: set[bytes] = field(default_factory=set)
    is_full: bool = False

    def take(self, place: int, question: Question, canonicals: Mapping[bytes, CanonicalName]) -> bool:
        """Add a question if it fits; `canonicals` has the names of the issuers by their DER."""
        if self.is_full or question.purpose != self.purpose:
            return False
        der = question.certificate.der
        names = [(canonicals[issuer.der], issuer.der) for issuer in question.issuers]
        if len({name for name, _ in names}) < len(names):
            # Two issuers with one name get their own basket, where openssl chooses by key identifier.
            if self.contents:
                return False
            self.is_full = True
        elif any(self.issuers.get(name, issuer) != issuer for name, issuer in names):
            return False
        # Where openssl meets what it trusts it looks no further, and that must be the end.
        *between, last = (issuer.der for issuer in question.issuers)
        if last in self.between or not self.trusted.isdisjoint(between):
            return False
        if der != last and (der in self.trusted or last in self.asked):
            return False
        self.contents.append((place, question))
        self.is_full = self.is_full or len(self.contents) == MANY
        self.issuers.update(names)
        self.trusted.add(last)
        self.between.update(between)
        if der != last:
            self.asked.add(der)
        return True


_WORTH = 100
"""For so many certificates, another process for their roots takes less time than it saves."""


def _ask_below_roots(
    basket: list[tuple[int, Question]], openssl: OpenSSL, at: datetime, answers: dict[int, Answer]
) -> None:
    """Verify the certificates, and the own signature of each root once: openssl would do it for each certificate."""
    roots = {question.issuers[-1].der: question.issuers[-1] for _, question in basket}
    roots = {der: root for der, root in roots.items() if root.is_self_issued}
    if len(basket) - len(roots) < _WORTH:
        _ask(basket, openssl, at, answers)
        return
    of_roots: dict[int, Answer] = {}
    _ask([(number, Question(root, (root,), None)) for number, root in enumerate(roots.values())], openssl, at, of_roots)
    bad = {der for number, der in enumerate(roots) if not of_roots[number].accepted}
    # A root itself, and what is below a root that openssl does not accept, is verified as in a small basket.
    alone = [(place, each) for place, each in basket if each.issuers[-1].der in bad | {each.certificate.der}]
    places = {place for place, _ in alone}
    below = [(place, each) for place, each in basket if place not in places]
    for some, roots_too in ((alone, True), (_ask_together(below, openssl, answers), False)):
        if some:
            _ask(some, openssl, at, answers, roots_too=roots_too)


def _ask_together(
    basket: list[tuple[int, Question]], openssl: OpenSSL, answers: dict[int, Answer]
) -> list[tuple[int, Question]]:
    """Accept the certificates if all chains are valid, and return those questions that are still open.

    They are the signers of one PKCS#7 message: `openssl smime` verifies their chains one by one, by the function that
    `openssl verify` calls, until the first that is not valid (PKCS7_verify(3)); -nosigs leaves out the signatures of
    the message only. `verify` reads a file for each certificate, which takes longer than to verify a signature.
    """
    if not openssl.can("-no_check_time"):
        return basket
    trusted = {question.issuers[-1].der: None for _, question in basket}
    between = {issuer.der: issuer for _, question in basket for issuer in question.issuers[:-1]}
    # A signer is found by issuer and serial number, so no two certificates may have the same number.
    serials = {issuer.serial_number for issuer in between.values()}
    if len(serials) < len(between):
        return basket
    some: list[tuple[int, Question]] = []
    others: list[tuple[int, Question]] = []
    for each in basket:
        certificate = each[1].certificate
        is_signer = certificate.serial_number not in serials and not _may_issue(certificate)
        (some if is_signer else others).append(each)
        serials.add(certificate.serial_number)
    if len(some) < _WORTH:
        return basket
    with tempfile.TemporaryDirectory(prefix="opensslgen-", dir=_in_memory()) as folder:
        _write(f"{folder}/trusted", trusted)
        purpose = basket[0][1].purpose or "any"
        command = [
            "smime",
            "-verify",
            "-nosigs",
            "-inform",
            "DER",
            "-in",
            "message",
            "-CAfile",
            "trusted",
            "-purpose",
            purpose,
        ]
        command += ["-partial_chain", "-no_check_time"]
        _write_bytes(f"{folder}/message", _message([question.certificate for _, question in some], between))
        process = openssl.run(command, cwd=folder, check=False)
    if process.exit_code or process.stderr.strip() != b"Verification successful":
        return basket
    answers |= {place: Answer(True) for place, _ in some}
    return others


def _may_issue(certificate: Certificate) -> bool:
    """Tell whether openssl could take it for the issuer of another certificate."""
    return certificate.is_authority or certificate.key_usage is None or "keyCertSign" in certificate.key_usage


def _message(signers: Sequence[Certificate], between: Iterable[bytes]) -> bytes:
    """Return a PKCS#7 message (RFC 2315 section 9.1) with these signers, none of whom has signed it."""
    infos = [
        encoded(
            SEQUENCE,
            _VERSION_1,
            encoded(SEQUENCE, each.issuer.der, encoded(INTEGER, _number(each.serial_number))),
            _SHA256 + _RSA + b"\x04\x01\0",
        )
        for each in signers
    ]
    certificates = encoded(0xA0, *[each.der for each in signers], *between)
    signed = encoded(SEQUENCE, _VERSION_1, encoded(SET, _SHA256), _TEXT, certificates, encoded(SET, *infos))
    return encoded(SEQUENCE, _SIGNED_DATA, encoded(0xA0, signed))


def _number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


_VERSION_1 = bytes.fromhex("020101")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_TEXT = bytes.fromhex("301006092a864886f70d010701a003040178")
"""The message itself, whose text does not matter."""


def _ask(
    basket: list[tuple[int, Question]],
    openssl: OpenSSL,
    at: datetime,
    answers: dict[int, Answer],
    *,
    roots_too: bool = True,
) -> None:
    """Verify the certificates in one process, and repeat it for those with an unclear result.

    Without `roots_too`, the own signatures of roots are not verified.
    """
    token = os.urandom(8).hex()
    with tempfile.TemporaryDirectory(prefix="opensslgen-", dir=_in_memory()) as folder:
        trusted = {root.der: None for _, question in basket for root in question.trusted}
        between = {each.der: None for _, question in basket for each in question.between}
        _write(f"{folder}/trusted", trusted)
        _write(f"{folder}/between", between)
        names = {}
        for number, (place, question) in enumerate(basket):
            names[f"{token}-{number}"] = place
            _write(f"{folder}/{token}-{number}", [question.certificate.der])
        command = ["verify", "-CAfile", "trusted", *(("-untrusted", "between") if between else ())]
        if roots_too:
            command.append("-check_ss_sig")
        if openssl.can("-partial_chain"):
            command.append("-partial_chain")
        if openssl.can("-no_check_time") and not basket[0][1].is_choice:
            command.append("-no_check_time")  # the rules check the dates, so openssl need not stop there
        else:
            command += ["-attime", str(int(at.timestamp()))]
        if purpose := basket[0][1].purpose:
            command += ["-purpose", purpose]
        process = openssl.run([*command, *names], cwd=folder, check=False)
    accepted = set(process.stdout.decode("utf-8", "replace").splitlines())
    problems = dict(_problems(process, token))
    unclear = []
    for (place, question), name in zip(basket, names, strict=True):
        # No name in a certificate can fake such a line, because the token is secret.
        if f"{name}: OK" in accepted:
            answers[place] = Answer(True)
        elif name in problems:
            answers[place] = Answer(False, problems[name])
        elif len(basket) == 1:
            answers[place] = Answer(False, _listed(process.stdout + process.stderr), visible(reason(process)))
        else:
            unclear.append((place, question))
    half = len(unclear) // 2 if len(unclear) == len(basket) else len(unclear)
    for some in filter(None, (unclear[:half], unclear[half:])):
        _ask(some, openssl, at, answers, roots_too=roots_too)


def is_crl_signed_by(issuer: Certificate, der: bytes, *, openssl: OpenSSL) -> bool:
    """Tell whether the key of an issuer, which has the issuer's name in the CRL, signed it; raises OpenSSLError."""
    with tempfile.TemporaryDirectory(prefix="opensslgen-", dir=_in_memory()) as folder:
        _write(f"{folder}/issuer", [issuer.der])
        command = ["crl", "-inform", "DER", "-noout", "-CAfile", "issuer"]
        process = openssl.run(command, cwd=folder, stdin=der, check=False)
    lines = (process.stdout + process.stderr).splitlines()
    if b"verify OK" in lines:
        return True
    if b"verify failure" in lines:
        return False
    raise OpenSSLError(f"openssl crl failed: {reason(process)}")


def _in_memory() -> str | None:
    """Return a folder in memory if the system has one: writing to a disk can take longer than the check."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None  # noqa: S108 - the folder below is ours


def _write(path: str, certificates: Iterable[bytes]) -> None:
    _write_bytes(path, "".join([pem("CERTIFICATE", der) for der in certificates]).encode())


def _write_bytes(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # One write is enough for a regular file, unless the disk is full; then openssl fails.
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


_PROBLEM = pattern(r"error ([0-9]+) at ([0-9]+) depth lookup: ?([^\n]*)")


def _listed(printed: bytes) -> tuple[Problem, ...]:
    found = _PROBLEM.findall(printed.decode("utf-8", "replace"))
    return tuple(dict.fromkeys(Problem(int(number), int(depth), visible(text)) for number, depth, text in found))


def _problems(process: Process, token: str) -> Iterator[tuple[str, tuple[Problem, ...]]]:
    """Yield the problems of each certificate: OpenSSL 1.1.1 and later print them on stderr before its name."""
    before: list[bytes] = []
    for line in process.stderr.splitlines():
        if match := re.fullmatch(rb"error (%b-\d+): verification failed" % token.encode(), line):
            if problems := _listed(b"\n".join(before)):
                yield match[1].decode(), problems
            before = []
        else:
            before.append(line)
