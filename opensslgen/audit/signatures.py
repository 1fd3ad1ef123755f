"""Verification of signatures: verdicts wait until openssl verifies many of them at once."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import MOST_FINDINGS, Budget, CostlyError
from opensslgen.errors import Error, UnreadableError
from opensslgen.files.read import STDIN, read_file
from opensslgen.rules.path import MOST_PATHS, Pool, paths, pool_of
from opensslgen.rules.profiles import RULES
from opensslgen.rules.rule import ERROR, Case, judge, raised
from opensslgen.x509.names import canonical

from .records import authorities, certificates_beside, folder_around, former_authorities
from .result import Result, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path as FilePath

    from opensslgen.budget import Reserve
    from opensslgen.openssl.chains import Answer, Question
    from opensslgen.pki.survey import Row
    from opensslgen.rules.path import Path
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate

_NO_CA = ("issuer-not-ca", "issuer-key-usage", "strict-key-usage", "root-key-cert-sign", "root-ca")
_NO_ISSUER = ("aki-mismatch", "issuer-mismatch", *_NO_CA)
_EXPLAINED: dict[int, tuple[str, ...]] = {
    2: _NO_ISSUER,
    9: ("not-yet-valid",),
    10: ("expired",),
    18: _NO_ISSUER,
    19: _NO_ISSUER,
    20: _NO_ISSUER,
    21: _NO_ISSUER,
    24: _NO_CA,
    25: ("path-length",),
    26: ("apple-eku", "public-eku", "strict-eku", "client-eku", "issuer-eku", "root-eku", *_NO_CA),
    32: _NO_CA,
    34: ("critical-unknown",),
    **dict.fromkeys(range(47, 54), ("name-constraints",)),
    79: _NO_CA,
    94: ("ec-explicit",),
}
"""The rules that report the same as an openssl error, by its number (x509_vfy.h)."""


class Pending(NamedTuple):
    """A verdict on a certificate that waits for openssl."""

    result: Result
    """Its findings and notes are added at the end."""
    case: Case
    """Without issuers."""
    rules: tuple[Rule, ...]
    anchors: tuple[Certificate, ...] = ()
    """Roots that are trusted if they fit, such as the CA of a pki folder."""
    pool: tuple[Certificate, ...] = ()
    """Other certificates that may be issuers, but are not in the same file."""
    budget: Budget | None = None
    """What is left for its target; None: nothing was spent yet."""


Verdict = Result | Pending


def limited(
    work: Callable[[], Iterable[Verdict]],
    settings: Settings,
    target: str,
    *,
    line: int | None = None,
    reserve: Reserve | None = None,
) -> list[Verdict]:
    """Return the verdicts that a function finds about a target, or the one that it costs more than its budget."""
    budget = Budget(settings.time_limit, reserve=reserve)
    found: list[Verdict] = []
    with suppress(CostlyError), budget.running():
        found += work()
    if budget.over:
        return [Result(target=target, kind="file", unreadable=budget.over.message, line=line)]
    return [each._replace(budget=budget) if isinstance(each, Pending) else each for each in found]


class AtHand:
    """The CA certificates in the folders of files, kept for the files that follow."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[tuple[Certificate, ...], tuple[Certificate, ...]]] = {}
        self._within: dict[str, tuple[Certificate, ...]] = {}
        self._beside: dict[str, tuple[Certificate, ...]] = {}

    def authorities(self, path: str) -> tuple[tuple[Certificate, ...], tuple[Certificate, ...]]:
        """Return the CAs of the pki folder that contains a file, and its former CAs."""
        folder = os.path.dirname(path)  # noqa: PTH120 - as fast as walk
        if folder not in self._found:
            around = folder_around(path)
            self._found[folder] = (
                (tuple(authorities(around)), tuple(former_authorities(around))) if around else ((), ())
            )
        return self._found[folder]

    def beside(self, path: str) -> tuple[Certificate, ...]:
        """Return the certificates in the other files of a file's folder, as far as they can be read."""
        folder = os.path.dirname(path)  # noqa: PTH120
        if path == STDIN:
            return ()
        if folder not in self._beside:
            self._beside[folder] = tuple(certificates_beside(folder or "."))
        return self._beside[folder]

    def authorities_within(
        self, path: str, reader: Callable[[bytes], Iterable[Certificate]]
    ) -> tuple[Certificate, ...]:
        """Return the CAs in a file; nothing if the file is missing."""
        if path not in self._within:
            self._within.clear()  # files come one after the other
            data = b""
            with suppress(UnreadableError):
                data = read_file(path) if path != STDIN else b""  # it was read already
            self._within[path] = tuple(reader(data))
        return self._within[path]


def settle(verdicts: Iterable[Verdict], settings: Settings) -> list[Result]:
    """Return the verdicts in order, after openssl has verified all pending ones."""
    found: list[Verdict] = list(verdicts)
    purposes = {id(each.rules): _purpose(each.rules) for each in _by_rules(found)}
    pools: dict[tuple[int, int], Pool] = {}
    """The pool of each pair of tuples; most certificates share theirs."""
    waiting = {
        place: _Inquiry(each, settings, purposes[id(each.rules)], _pool(each, settings, pools))
        for place, each in enumerate(found)
        if isinstance(each, Pending)
    }
    asked = [(inquiry, question) for inquiry in waiting.values() if (question := inquiry.question)]
    while asked:
        for (inquiry, _), answer in zip(asked, _answers(asked, settings), strict=True):
            inquiry.hear(answer)
        asked = [(inquiry, question) for inquiry, _ in asked if (question := inquiry.question)]
    beside = [(inquiry, question) for inquiry in waiting.values() for question in inquiry.questions_beside()]
    for (inquiry, question), answer in zip(beside, _answers(beside, settings), strict=True):
        inquiry.hear_beside(question, answer)
    return [waiting[place].result() if isinstance(each, Pending) else each for place, each in enumerate(found)]


def _pool(pending: Pending, settings: Settings, pools: dict[tuple[int, int], Pool]) -> Pool:
    """Return the certificates that may have issued a pending one, from `pools` if there are none in its own file."""
    roots, others = settings.roots or pending.anchors, pending.case.others
    key = id(pending.pool), id(pending.anchors)
    if others or key not in pools:
        pool = pool_of((*others, *pending.pool, *pending.anchors), roots=roots)
        if others:
            return pool
        pools[key] = pool
    return pools[key]


def _answers(asked: Sequence[tuple[_Inquiry, Question]], settings: Settings) -> Sequence[Answer | Error]:
    """Return openssl's answers, or the error for each question if it cannot be asked, or the budget is used up."""
    if not asked:
        return ()
    from opensslgen.openssl.chains import verify  # most certificates come alone
    from opensslgen.openssl.command import OpenSSLError

    try:
        with Budget(settings.time_limit + len(asked) / _VERIFIED_PER_SECOND).running():
            return verify([question for _, question in asked], openssl=settings.find_openssl(), at=settings.at)
    except OpenSSLError as error:
        return [error] * len(asked)
    except CostlyError:
        # One of them may be to blame, so each gets the time that is left to it.
        return [inquiry.ask_alone(question) for inquiry, question in asked]


def _by_rules(verdicts: Iterable[Verdict]) -> Iterable[Pending]:
    """Return one list of rules for each certificate; most share the same list."""
    return {id(each.rules): each for each in verdicts if isinstance(each, Pending)}.values()


def proof(certificate: Certificate, others: Iterable[Certificate], settings: Settings) -> Result:
    """Return a finding if the issuer of a certificate is in the pool and did not sign it."""
    return proofs([certificate], tuple(others), settings)[0]


def proofs(
    certificates: Sequence[Certificate], authorities: tuple[Certificate, ...], settings: Settings
) -> list[Result]:
    """Return the same for many certificates with the same CAs above them."""
    pending = (
        Pending(
            result=Result(target="", kind="certificate", certificate=certificate),
            case=Case(certificate, None, settings.at),
            rules=_SIGNATURE,
            pool=authorities,
        )
        for certificate in certificates
    )
    return settle(pending, settings)


_SIGNATURE = (RULES["chain-signature"],)


_MOST_BESIDE = 32
"""Certificates beside a chain whose signatures are verified."""
_VERIFIED_PER_SECOND = 100
"""Certificates that the slowest machine verifies together in a second of CPU."""
_ROWS = 250
"""Rows of a list that are read and verified at once."""


def verified_rows(
    rows: Iterator[Row], folder: FilePath, *, at: datetime, on_unable: Callable[[str], object]
) -> Iterator[Row]:
    """Yield rows of a pki folder; a row whose certificate the CA did not sign gets an error.

    `on_unable` is called once with the reason if openssl cannot be used.
    """
    issuers, settings, unable = tuple(authorities(folder)), Settings(rules=(), at=at), False
    while batch := list(islice(rows, _ROWS)):
        checked = iter(proofs([row.copy.certificate for row in batch if row.copy.certificate], issuers, settings))
        for row in batch:
            result = next(checked) if row.copy.certificate else None
            if result and result.unreadable and not unable:
                on_unable(f"signatures were not verified: {result.unreadable}")
                unable = True
            fault = result.findings[0].message if result and result.findings else row.copy.fault
            yield row._replace(copy=row.copy._replace(fault=fault))


class _Option(NamedTuple):
    """A path, and the findings on it."""

    path: Path
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    unable: str | None = None

    @property
    def errors(self) -> int:
        return sum(finding.rule.severity == ERROR for finding in self.findings)


class _Inquiry:
    """The paths of one certificate; openssl is asked about each until one is valid."""

    def __init__(self, pending: Pending, settings: Settings, purpose: str | None, pool: Pool) -> None:
        self.pending, self.settings, self.purpose, self.pool = pending, settings, purpose, pool
        self.budget = pending.budget or Budget(settings.time_limit)
        self.left: list[_Option] = []
        self.heard: list[_Option] = []
        self.is_cut = False
        self.choice: Question | None = None
        """The question which of several paths openssl takes; asked last."""
        self.beside: list[Finding] = []
        """The findings on certificates that are not part of the path."""
        self.not_beside: tuple[str, ...] = ()
        """A note on those that were not verified."""
        with suppress(CostlyError), self.budget.running():
            self._find_paths()

    def _find_paths(self) -> None:
        found = paths(self.pending.case.certificate, self.pool, at=self.settings.at)
        self.left = [self._option(path) for path in found]
        self.is_cut = len(found) == MOST_PATHS
        if len(found) > 1:
            self.left.sort(key=lambda option: option.errors)

    def ask_alone(self, question: Question) -> Answer | Error:
        """Return openssl's answer to the question within this certificate's own budget."""
        from opensslgen.openssl.chains import verify
        from opensslgen.openssl.command import OpenSSLError

        try:
            with self.budget.running():
                return verify([question], openssl=self.settings.find_openssl(), at=self.settings.at)[0]
        except (OpenSSLError, CostlyError) as error:
            return error

    @property
    def question(self) -> Question | None:
        """The next question for openssl; None if there is no other path, or a valid one was found."""
        if self.budget.over or self.choice:
            return None
        if not self.left or any(option.errors == 0 for option in self.heard):
            self.choice = self._choice()
            return self.choice
        certificate, path = self.pending.case.certificate, self.left[0].path
        issuers = path or ((certificate,) if certificate.is_self_signed else ())
        if issuers:
            from opensslgen.openssl.chains import Question

            return Question(certificate, issuers, self.purpose)
        self.heard.append(self.left.pop(0))
        return self.question

    def hear(self, answer: Answer | Error) -> None:
        """Take the answer to the question."""
        if self.choice:
            self._hear_choice(answer)
            return
        option = self.left.pop(0)
        if isinstance(answer, Error):
            unable = f"its signature was not verified: {answer.message}"
            self.heard.append(option._replace(unable=unable))
            self.left = []
            return
        findings, notes = self._find_rejected(option, answer)
        self.heard.append(_Option(option.path, (*option.findings, *findings), notes) if findings or notes else option)

    def questions_beside(self) -> list[Question]:
        """Return the questions whether the certificates in the file that are not part of the path are signed.

        Only if the key identifiers also say so, a certificate with the issuer's name is the issuer.
        """
        if self.budget.over:
            return []
        certificate, sent = self.pending.case.certificate, self.pending.case.others
        used = {each.der for each in (certificate, *self._best.path)}
        unused = {each.der: each for each in sent if each.der not in used}
        if not unused:
            return []
        from opensslgen.openssl.chains import Question

        pool: dict[object, Certificate] = {}
        for each in (certificate, *sent, *self.pending.anchors, *self.settings.roots):
            if each.subject_key_identifier:
                pool[canonical(each.subject), each.subject_key_identifier] = each
        found = []
        for each in unused.values():
            authority = each.authority_key_identifier
            named = pool.get((canonical(each.issuer), authority.key_identifier if authority else None))
            if issuer := each if each.is_self_signed else named:
                found.append(Question(each, (issuer,), None))
        # Those of one name need a process each.
        if len(found) > _MOST_BESIDE:
            self.not_beside = (f"{len(found) - _MOST_BESIDE} certificates beside its chain were not verified",)
        return found[:_MOST_BESIDE]

    def hear_beside(self, question: Question, answer: Answer | Error) -> None:
        """Add the finding on a certificate beside the path that its issuer has not signed."""
        if isinstance(answer, Error) or not any(problem.is_of_signature for problem in answer.problems):
            return
        certificate = question.certificate
        chain = (certificate,) if certificate.is_self_signed else (certificate, *question.issuers)
        found, _ = self._false_signature(chain, 0, whose=f"beside it, {certificate.subject or 'a certificate'}")
        self.beside.extend(found)

    @property
    def _best(self) -> _Option:
        return min(self.heard, key=lambda option: option.errors)

    def _choice(self) -> Question | None:
        """Return the question whether openssl finds the good path among all certificates of the file, as sent."""
        best, certificate = self._best, self.pending.case.certificate
        if best.errors or best.unable or not best.path:
            return None
        chain, sent = (certificate, *best.path), self.pending.case.others
        used = {each.der for each in chain}
        if not used.issubset({each.der for each in (certificate, *sent, best.path[-1])}):
            return None
        unused = [other for other in (*sent, *self.settings.roots) if other.der not in used]
        named = {canonical(below.issuer) for below in chain}
        if not any(canonical(other.subject) in named for other in unused):
            return None
        from opensslgen.openssl.chains import Question

        return Question(certificate, best.path, self.purpose, others=sent, roots=self.settings.roots)

    def _hear_choice(self, answer: Answer | Error) -> None:
        """Add the finding if openssl takes another path, which it does not accept."""
        if isinstance(answer, Error) or answer.accepted or not answer.problems:
            return
        rules, best = self.pending.rules, self._best
        applied = {rule.id for rule in rules if rule.severity == ERROR}
        problem = answer.problems[0]
        said_by = _EXPLAINED.get(problem.number, ())
        if said_by and not applied.intersection(said_by):
            return
        message = (
            f"openssl verify takes another path through these certificates, and refuses it: {problem.text} (at depth"
            f" {problem.depth})"
        )
        # Python, whose rules are the strict ones, uses openssl; Apple's devices and browsers find the other path.
        rule = "chain-rejected" if "strict-aki" in applied else "chain-choice"
        self.heard = [best._replace(findings=(*best.findings, *raised(rules, rule, message)))]

    def result(self) -> Result:
        """Return the verdict by the best path."""
        result = self.pending.result
        if self.budget.over:
            return replace(result, unreadable=self.budget.over.message)
        best = self._best
        findings = (*best.findings, *self.beside, *result.findings)
        too_many = f"more than {MOST_FINDINGS} findings" if len(findings) > MOST_FINDINGS else None
        return replace(
            result,
            findings=findings[:MOST_FINDINGS],
            unreadable=result.unreadable or best.unable or too_many,
            is_unknown=best.unable is not None,
            notes=(
                *result.notes,
                *best.notes,
                *self.not_beside,
                *self._about_bound(best),
                *self._about_root(best.path),
            ),
            path=best.path,
        )

    def _option(self, path: Path) -> _Option:
        case = self.pending.case
        if path:  # without `replace`, which takes as long as all rules about issuers
            case = Case(
                case.certificate,
                path[0],
                case.at,
                case.within,
                path,
                key=case.key,
                host=case.host,
                others=case.others,
                is_anchored=path[-1].der in self.pool.trusted,
            )
        return _Option(path, (*judge(case, self.pending.rules), *self._find_untrusted(path)))

    def _find_untrusted(self, path: Path) -> tuple[Finding, ...]:
        """Return the finding on a path that does not lead to one of the trusted roots."""
        if not self.settings.roots:
            return ()
        last = (self.pending.case.certificate, *path)[-1]
        if last.der in self.pool.trusted:
            return ()
        named = " or ".join(str(root.subject) for root in self.settings.roots[:3])
        where = (
            f"it ends with {last.subject}, which is self-signed"
            if last.is_self_signed
            else f"{last.issuer or 'an issuer without a name'}, the issuer of {last.subject or 'it'}, is missing"
        )
        return raised(self.pending.rules, "chain-untrusted", f"its chain does not lead to {named}: {where}")

    def _find_rejected(self, option: _Option, answer: Answer) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """Return openssl's errors that the rules did not find, and notes on what it could not check."""
        rules = self.pending.rules
        if answer.accepted:
            return (), ()
        if answer.unable:
            return (), (f"signatures were not verified: {answer.unable}",)
        chain = (self.pending.case.certificate, *option.path)
        broken = [problem for problem in answer.problems if problem.is_of_signature]
        if broken:
            return self._false_signature(chain, min(broken[0].depth, len(chain) - 1))
        errors = {finding.rule.id for finding in option.findings if finding.rule.severity == ERROR}
        applied = {rule.id for rule in rules if rule.severity == ERROR}
        left_out = []
        for problem in answer.problems:
            said_by = _EXPLAINED.get(problem.number, ())
            if errors.intersection(said_by):
                continue
            if said_by and not applied.intersection(said_by):
                left_out.append(problem.text)
                continue
            whose = chain[min(problem.depth, len(chain) - 1)].subject or "a certificate without a name"
            return self._rejected(f"openssl verify refuses {whose}: {problem.text}")
        if not answer.problems:
            return self._rejected(f"openssl verify does not accept it: {answer.text}")
        notes = (f"openssl verify stopped at “{left_out[0]}”: signatures were not verified",) if left_out else ()
        return (), notes

    def _rejected(self, message: str) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """Return the finding that openssl refuses a chain; where no rule says so, a note: it has verified nothing."""
        found = raised(self.pending.rules, "chain-rejected", message)
        return found, () if found else (f"signatures were not verified: {message}",)

    def _false_signature(
        self, chain: tuple[Certificate, ...], depth: int, *, whose: str = "it"
    ) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """Return the finding on a signature that is not from the issuer."""
        certificate = chain[depth]
        if depth:
            whose = f"its issuer {certificate.subject or 'without a name'}"
        if depth + 1 < len(chain):
            message = f"{whose} was not signed by {chain[depth + 1].subject or 'its issuer'}"
        elif certificate.signature_hash in (None, "md2") and not certificate.signature_algorithm.isalnum():
            return (), (f"openssl cannot verify the type of signature that {certificate.subject} has",)
        else:
            message = f"{whose} was not signed by its own key"
        return raised(self.pending.rules, "chain-signature", f"{message}, or was changed afterwards"), ()

    def _about_bound(self, best: _Option) -> tuple[str, ...]:
        """Return a note if no chain is good, but more are possible."""
        return (f"only {MOST_PATHS} of the possible chains were tried",) if self.is_cut and best.errors else ()

    def _about_root(self, path: Path) -> tuple[str, ...]:
        """Return a note on the root that devices have to trust, unless it is known to be trusted."""
        certificate = self.pending.case.certificate
        last = (certificate, *path)[-1]
        if self.settings.roots or any(last.der == anchor.der for anchor in self.pending.anchors):
            return ()
        if not path and certificate.is_self_signed:
            return ("phones have to trust this certificate itself",) if self.pending.result.answer else ()
        if not path:
            issuer = certificate.issuer or "without a name"
            return (f"its issuer {issuer} was not found: its signature was not verified",)
        if not self.settings.rules:
            return ()  # only the signature is asked for
        if last.is_self_signed:
            return (f"phones have to trust the root {last.subject or 'without a name'}",)
        issuer = last.issuer or "its issuer"
        return (
            f"phones have to trust {issuer}, which was not found, or a root above it; that it signed"
            f" {last.subject or 'the last certificate'} was not verified",
        )


def _purpose(rules: Collection[Rule]) -> str | None:
    """Return the purpose that openssl verifies: servers, clients, or None."""
    ids = {rule.id for rule in rules}
    if "root-ca" in ids:
        return None
    if "apple-san" not in ids and "client-eku" not in ids and "strict-eku" not in ids and "public-san" not in ids:
        return None
    return "sslclient" if "client-eku" in ids and "apple-san" not in ids else "sslserver"
