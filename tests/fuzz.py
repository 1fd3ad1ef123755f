"""Feeds the decoder, the readers of configs and scripts, and the audit what nobody writes: `python -m tests.fuzz`.

That takes ten minutes. Nothing may crash, nothing may take longer than a second or grow the process by 256 MiB, and
nothing that Python's cryptography refuses to read may pass. With atheris (pip install atheris) the code's own branches
lead the way, else chance alone. Not run in CI. Each fault that it finds becomes a case in the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from cryptography import x509

CHECKOUT = Path(__file__).parent.parent
AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
SLOWEST = 1.0  # seconds
WATCHED = 6  # how much longer the code takes when atheris watches it
MOST_MEMORY = 512  # MiB of the process, with all seeds in it
LARGEST = 1 << 16  # bytes


class Fault(AssertionError):
    """What must not happen."""


# The decoder


def decoder(data):
    """Read bytes as a certificate, a request, a key and PEM; judge what can be read."""
    from opensslgen.errors import UnreadableError
    from opensslgen.rules.profiles import rules_of
    from opensslgen.rules.rule import Case, judge, judge_request
    from opensslgen.x509.certificate import decode, decode_block
    from opensslgen.x509.pem import pem_blocks
    from opensslgen.x509.public_keys import decode_public_key
    from opensslgen.x509.request import decode_request

    rules = rules_of(["apple", "strict", "public"])

    def certificate(ours, der):
        judge(Case(ours, None, AT), rules)
        # A deviation is reported, with the programs that refuse it.
        if not ours.deviations and not violations(ours):
            witness(ours, der)

    def blocks():
        for block in pem_blocks(data):
            if block.label == "CERTIFICATE":
                certificate(decode_block(block), block.body)

    for attempt in (
        lambda: certificate(decode(data), data),
        lambda: judge_request(decode_request(data), rules, at=AT),
        lambda: decode_public_key(data),
        blocks,
    ):
        with contextlib.suppress(UnreadableError):
            attempt()


def violations(certificate):
    """Return what an audit calls errors; what has any does not pass."""
    from opensslgen.rules.profiles import rules_of
    from opensslgen.rules.rule import ERROR, Case, judge

    # Fuzzing rarely keeps names and dates, and a key that cannot be read is a fault with or without them.
    form = [rule for rule in rules_of(["apple"]) if rule.id.startswith(("apple-key", "ec-", "critical-", "serial-"))]
    return [finding for finding in judge(Case(certificate, None, AT), form) if finding.rule.severity == ERROR]


def witness(ours, der):
    """Raise Fault if cryptography does not read a certificate that we do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = x509.load_der_x509_certificate(der)
            for field in ("not_valid_before_utc", "not_valid_after_utc", "serial_number", "version"):
                getattr(theirs, field)
            list(theirs.extensions)
            theirs.public_key()
        except Exception as error:
            raise Fault(f"we read it, but cryptography refuses it: {error!r}") from error
        for name in ("subject", "issuer"):
            try:
                list(getattr(theirs, name))
            except ValueError as error:
                raise Fault(f"we read its {name}, but cryptography refuses it: {error!r}") from error


# The config reader


def configs(data):
    """Read bytes as an OpenSSL config, and what is written of it again."""
    from opensslgen.config.reader import config_text, read_config
    from opensslgen.errors import UnreadableError

    try:
        config = read_config(data.decode("utf-8", "surrogateescape"))
    except UnreadableError:
        return
    if config.pragmas:
        return  # they change how the rest is read, and are not written again
    known = [section for section in config.sections.values() if all(entry.is_known for entry in section.entries)]
    again = read_config(config_text(known))
    for section in known:
        values = [(entry.key, entry.value) for entry in again.sections[section.name].entries]
        if values != [(entry.key, entry.value) for entry in section.entries]:
            raise Fault(f"the section {section.name!r} is not what was written of it: {values}")


# The reader of scripts


def scripts(data):
    """Follow bytes as a shell script, without asking openssl what its certificates would be."""
    from opensslgen.audit.script_calls import follow, system_file
    from opensslgen.audit.scripts import looks_like_script, script_text
    from opensslgen.errors import UnreadableError
    from opensslgen.shell.builtins import BUILTINS
    from opensslgen.shell.machine import World, explore
    from opensslgen.shell.parse import parse

    looks_like_script(data)
    with contextlib.suppress(UnreadableError):
        for _ in explore(parse(script_text(data)), World(builtins=BUILTINS, call=follow, system=system_file)):
            pass


def script_seeds():
    """Return the scripts of the tests and our own templates."""
    found = [*(CHECKOUT / "tests" / "gen_certs").rglob("*.sh"), *(CHECKOUT / "tests" / "scripts").glob("*.sh")]
    seeds = [path.read_bytes() for path in found]
    table = (CHECKOUT / "tests" / "scripts" / "shapes.txt").read_bytes()
    return seeds + [piece.partition(b"\n")[2] for piece in table.split(b"\n### ")[1:]]


# The whole audit


def audits(data):
    """Audit bytes as a file, by every profile; openssl is not asked."""
    from opensslgen.audit.result import Settings
    from opensslgen.audit.targets import audit_content
    from opensslgen.openssl.command import OpenSSLError
    from opensslgen.report.audit import audit_format
    from opensslgen.rules.profiles import PROFILES, rules_of

    def missing():
        raise OpenSSLError("no openssl while fuzzing")

    profiles = [name for name in PROFILES if name != "root"]
    for each in (True, False):
        settings = Settings(rules=rules_of(profiles), at=AT, openssl=missing, each=each)
        for result in audit_content(data, "fuzzed", settings):
            for form in ("text", "json", "sarif", "github"):
                audit_format(form, settings, profiles=profiles).entry()(result)


def audit_seeds():
    """Return the seeds of all readers, and small files of each kind that is costly to read."""
    from .costly_inputs import KINDS

    costly = [kind.write(min(kind.small, 20)) for kind in KINDS.values()]
    return [seed for seed in (*der_seeds(), *config_seeds(), *script_seeds(), *costly) if 0 < len(seed) <= LARGEST]


# Mutations


def der_seeds():
    """Return the corpus: files as they are, and what is in their PEM blocks."""
    from opensslgen.x509.der import DecodeError
    from opensslgen.x509.pem import pem_blocks

    seeds = []
    for path in sorted((CHECKOUT / "tests" / "certificates").iterdir()):
        data = path.read_bytes()
        if path.suffix in (".expect", ".md") or len(data) > LARGEST:
            continue
        with contextlib.suppress(DecodeError):
            seeds += [block.body for block in pem_blocks(data)]
        seeds.append(data)
    return seeds


def config_seeds():
    """Return our own templates and the system's config, if there is one."""
    paths = [
        *(CHECKOUT / "templates").glob("*.cnf"),
        *(CHECKOUT / "tests").rglob("*.cnf"),
        Path("/etc/ssl/openssl.cnf"),
    ]
    return [path.read_bytes() for path in paths if path.is_file()]


def mutated_der(data, chance, seeds):
    """Change one element of DER and mend the lengths around it, so that more than the first reader sees it."""
    path, elements = [], parsed(data)
    if not elements or chance.random() < 0.2:
        return mutated_bytes(data, chance, seeds)
    while True:
        at = chance.randrange(len(elements))
        tag, content = elements[at]
        path.append((elements, at))
        inner = parsed(content) if tag & 0x20 or (tag in (3, 4) and chance.random() < 0.7) else None
        if not inner or chance.random() < 0.25:
            break
        elements = inner
    action = chance.randrange(6)
    if action == 0:
        del elements[at]
    elif action == 1:
        elements.insert(at, elements[chance.randrange(len(elements))])
    elif action == 2:
        elements[at] = (
            chance.choice((tag ^ 0x20, chance.randrange(256), 1, 2, 3, 4, 5, 6, 12, 19, 20, 22, 48, 49)),
            content,
        )
    elif action == 3:
        elements[at] = (tag, mutated_bytes(content, chance, seeds))
    elif action == 4:
        others = parsed(chance.choice(seeds))
        while others and chance.random() < 0.8:
            other = chance.choice(others)
            elements[at] = other
            others = parsed(other[1])
    else:
        elements[at] = (tag, bytes(chance.randrange(256) for _ in range(chance.randrange(20))))
    for parents, position in reversed(path[:-1]):
        parents[position] = (parents[position][0], written(elements))
        elements = parents
    return written(elements)


def parsed(data):
    """Return the tags and contents of elements, or None if these are none."""
    found, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            return None
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        if start + size > len(data):
            return None
        found.append((tag, data[start : start + size]))
        at = start + size
    return found


def written(elements):
    """Return elements as DER."""
    from .corpus.der import tlv

    return b"".join(tlv(tag, content) for tag, content in elements)


def mutated_bytes(data, chance, seeds):
    """Change, drop, repeat or exchange some bytes."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, size = chance.randrange(len(data) + 1), chance.choice((1, 1, 2, 16))
        action = chance.randrange(4)
        if action == 0 and at < len(data):
            data[at] = chance.choice((chance.randrange(256), 0, 0x7F, 0x80, 0xFF, data[at] ^ 1 << chance.randrange(8)))
        elif action == 1:
            del data[at : at + size]
        elif action == 2:
            data[at:at] = data[at : at + size] * chance.choice((1, 1, 100))
        else:
            other = chance.choice(seeds)
            begin = chance.randrange(len(other) + 1)
            data[at : at + size] = other[begin : begin + size]
    return bytes(data)


TARGETS = {
    "decoder": (decoder, der_seeds, mutated_der),
    "configs": (configs, config_seeds, mutated_bytes),
    "scripts": (scripts, script_seeds, mutated_bytes),
    "audits": (audits, audit_seeds, mutated_der),
}


# The run


def checked(target, data, *, slowest=SLOWEST):
    """Run a target once; raises Fault for what crashes, hangs or passes wrongly."""
    begun = time.process_time()
    try:
        target(data)
    except Fault:
        raise
    except Exception as error:
        raise Fault(f"crashed: {error!r}") from error
    if (spent := time.process_time() - begun) > slowest:
        raise Fault(f"took {spent:.1f} s")
    if (used := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024) > MOST_MEMORY:
        raise Fault(f"the process has grown to {used:.0f} MiB")


def by_chance(name, seconds, seed, _folder):
    """Mutate the corpus at random until the time is over."""
    target, seeds_of, mutated = TARGETS[name]
    seeds, chance, runs = seeds_of(), random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 2, 4))):
            data = mutated(data, chance, seeds)[:LARGEST]
        runs += 1
        try:
            checked(target, data)
        except Fault as fault:
            kept = Path(tempfile.gettempdir(), f"opensslgen-fuzz-{name}-{seed}-{runs}")
            kept.write_bytes(data)
            sys.exit(f"{name}: {fault}\nThe input is {kept}")
    print(f"{name}: {runs} inputs in {seconds} s by chance, seed {seed}: no fault")


def guided(name, seconds, seed, folder):
    """Let atheris lead, with our mutations beside its own; it ends the process."""
    import atheris

    target, seeds_of, mutated = TARGETS[name]
    with atheris.instrument_imports(include=["opensslgen"]):
        # The targets import late what they are for.
        target(b"")
    seeds = seeds_of()

    def mutator(data, most, number):
        chance = random.Random(number)
        if chance.random() < 0.3:
            return atheris.Mutate(data, most)
        return mutated(data or seeds[0], chance, seeds)[:most]

    for number, content in enumerate(seeds):
        Path(folder, str(number)).write_bytes(content)
    options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-seed={seed}", f"-timeout={10 * WATCHED}"]
    options += ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={tempfile.gettempdir()}/"]
    run = partial(checked, target, slowest=WATCHED * SLOWEST)
    atheris.Setup([sys.argv[0], *options, folder], run, custom_mutator=mutator)
    atheris.Fuzz()


def main():
    """Fuzz each target for its share of the time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; by default all, one after the other")
    parser.add_argument("--seconds", type=int, default=150, help="for each target (default 150)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="to do the same again")
    parser.add_argument("--by-chance", action="store_true", help="do without atheris")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}")
    run = by_chance
    if not options.by_chance:
        try:
            import atheris  # noqa: F401

            run = guided
        except ImportError:
            print("atheris is not installed: by chance alone")
    failed = False
    for name in options.targets or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            # A process for each, as atheris ends its own.
            child = os.fork()
            if child == 0:
                run(name, options.seconds, options.seed, folder)
                os._exit(0)
            failed |= os.waitpid(child, 0)[1] != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
