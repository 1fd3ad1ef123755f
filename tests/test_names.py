from __future__ import annotations

import functools
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from cryptography import x509
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opensslgen.errors import UsageError
from opensslgen.names.general import GeneralName, file_name, parse_host, parse_names
from opensslgen.names.slips import slips
from opensslgen.names.subject import Subject, parse_subject, strict_subject

from .name_table import ANY, FIELDS, cases
from .openssls import EACH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def joined(names: tuple[GeneralName, ...]) -> str:
    return ", ".join(map(str, names))


def config_line(text: str) -> str:
    attribute, _, value = text.partition("=")
    return parse_subject(**{FIELDS[attribute]: value}).config_lines()


FUNCTIONS = {
    "san": lambda text: joined(parse_names(text)),
    "host": lambda text: str(parse_host(text)),
    "subject": config_line,
}


@pytest.mark.parametrize(("function", "verdict", "text", "expected"), cases())
def test_table(function: str, verdict: str, text: str, expected: str) -> None:
    if verdict == "ok":
        assert FUNCTIONS[function](text) == expected
        return
    assert verdict == "error"
    with pytest.raises(UsageError) as caught:
        FUNCTIONS[function](text)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


def test_table_is_long_enough_and_has_no_line_twice() -> None:
    rows = cases()
    assert len(rows) >= 120
    assert len({row[:3] for row in rows}) == len(rows)


def test_a_name_has_253_characters_at_most() -> None:
    longest = ".".join(["a" * 49] * 5) + ".abc"
    assert len(longest) == 253
    assert parse_host(longest).value == longest
    for name in ("a" + longest, "*." + longest, "*." + longest[2:] + "d", "ü." + longest):
        with pytest.raises(UsageError, match="longer than 253"):
            parse_host(name)
    assert len(parse_host("*." + longest[2:]).value) == 253


def test_long_input_is_cut_in_messages() -> None:
    with pytest.raises(UsageError) as caught:
        parse_names("x" * 100_000)
    assert len(str(caught.value)) < 200


# What is accepted is harmless.


def answer(function: Callable[..., T], *arguments: str, **more: str) -> T | None:
    """Return None where a function refuses, after a look at its message."""
    try:
        return function(*arguments, **more)
    except UsageError as error:
        message = str(error)
    assert message.isprintable()
    return None


@pytest.mark.slow
@settings(max_examples=500)
@given(ANY)
def test_any_text_is_refused_or_harmless(text: str) -> None:
    names = answer(parse_names, text)
    assert names != ()
    for name in names or ():
        assert name.kind in ("DNS", "IP", "email", "URI")
        assert re.fullmatch(r"[A-Za-z0-9._:@/?!&()*+;=%~-]+", name.value)
        assert not name.value.startswith("-")
        assert str(name) not in ("email:copy", "email:move")
        assert parse_names(str(name)) == (name,)


@pytest.mark.slow
@settings(max_examples=500)
@given(ANY)
def test_any_host_is_refused_or_is_also_an_alternative_name(text: str) -> None:
    if name := answer(parse_host, text):
        assert name.kind in ("DNS", "IP")
        assert parse_names(str(name)) == (name,)


@settings(max_examples=500)
@given(ANY, st.sampled_from(sorted(FIELDS.values())))
def test_any_subject_is_refused_or_fits_in_one_line_and_parses_again(text: str, field: str) -> None:
    if subject := answer(parse_subject, **{field: text}):
        line = subject.config_lines()
        assert len(line.splitlines()) == 1
        assert re.fullmatch(r"[A-Za-z]+ = (?:[^\\$#\"'`]|\\[\\$#\"'`])+", line)
        ((_, value),) = subject.attributes
        assert parse_subject(**{field: value}) == subject == strict_subject(subject.attributes)


# The real openssl reads back what was meant.

LABEL = st.from_regex(r"[a-z0-9_](?:[a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True).filter(lambda s: s[2:4] != "--")
TOP = st.from_regex(r"[a-z]{2,6}", fullmatch=True)
HOST = st.builds(lambda labels, top: ".".join([*labels, top]), st.lists(LABEL, max_size=4), TOP)
LETTERS = st.text("abcdeäöüßéñ例えテスト", min_size=1, max_size=8)
NAME = st.one_of(
    HOST,
    HOST.map("*.{}".format),
    st.builds("{}.{}".format, LETTERS, HOST),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.builds("{}@{}".format, st.from_regex(r"[A-Za-z0-9_+=~]{1,10}", fullmatch=True), HOST),
    st.builds("URI:sip:{}".format, HOST),
    st.builds("URI:https://{}/{}".format, HOST, st.text("aZ09-._~:/?@!&()*+;=", max_size=20)),
)


def text_of(limit: int) -> st.SearchStrategy[str]:
    characters = st.one_of(
        st.sampled_from("\\$#\"'`@;=[]{}()+/,<>&%!.-_ "),
        st.sampled_from([r"\n", r"\x", "$x", "${ENV::HOME}", "$ENV::HOME", "😀", "\u200d"]),
        st.characters(exclude_categories=("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")),
    )
    return st.lists(characters, min_size=1, max_size=limit).map(lambda pieces: "".join(pieces)[:limit])


SUBJECT = st.fixed_dictionaries(
    {"common_name": text_of(64)},
    optional={
        "organization": text_of(64),
        "organizational_unit": text_of(64),
        "state": text_of(128),
        "locality": text_of(128),
        "country": st.text("abcXYZ", min_size=2, max_size=2),
        "email_address": st.from_regex(r"[!-~]{1,40}@[!-~]{1,40}", fullmatch=True),
    },
)


def accepted(texts: list[str]) -> tuple[GeneralName, ...]:
    return tuple(name for text in texts for name in answer(parse_names, text) or ())


def read_back(san: x509.SubjectAlternativeName) -> tuple[GeneralName, ...]:
    kinds = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "URI"}
    return tuple(GeneralName(kinds[type(name)], str(name.value)) for name in san)


@functools.cache
def workplace() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="opensslgen-names-"))
    key = folder / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_workplace_left() -> Iterator[None]:
    yield
    if workplace.cache_info().currsize:
        for path in workplace().iterdir():
            path.unlink()
        workplace().rmdir()
        workplace.cache_clear()


def openssl(program: str, *arguments: str, config: str = "") -> str:
    (workplace() / "openssl.cnf").write_text(config, "utf-8")
    environment = {"PATH": os.environ["PATH"], "OPENSSL_CONF": os.devnull, "HOME": "/home/of/somebody"}
    run = subprocess.run([program, *arguments], cwd=workplace(), env=environment, capture_output=True, check=False)
    assert run.returncode == 0, f"{run.stderr.decode()}\n{config}"
    return run.stdout.decode()


def request(program: str, subject: Subject, names: tuple[GeneralName, ...] = ()) -> str:
    config = (
        "[req]\nprompt = no\ndistinguished_name = subject\nutf8 = yes\nstring_mask = utf8only\nreq_extensions = v3\n"
        f"[subject]\n{subject.config_lines()}\n[v3]\nbasicConstraints = CA:FALSE\n"
    )
    if names:
        config += f"subjectAltName = {joined(names)}\n"
    return openssl(program, "req", "-new", "-key", "key.pem", "-config", "openssl.cnf", config=config)


REAL = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@pytest.mark.parametrize("program", EACH)
@REAL
@given(st.lists(NAME, min_size=1, max_size=30))
def test_openssl_reads_back_the_names(program: str, texts: list[str]) -> None:
    names = accepted(texts)
    if not names:
        return
    made = x509.load_pem_x509_csr(request(program, parse_subject(common_name="x"), names).encode())
    assert read_back(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names


@pytest.mark.parametrize("program", EACH)
def test_openssl_reads_back_every_good_name_of_the_table(program: str) -> None:
    texts = [text for function, verdict, text, _ in cases() if function != "subject" and verdict == "ok"]
    names = accepted(texts)
    made = x509.load_pem_x509_csr(request(program, parse_subject(common_name="x"), names).encode())
    assert read_back(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names


# RFC 5280 counts characters; cryptography counts their bytes, and warns.
BYTES_COUNTED = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")


def check_subject(program: str, subject: Subject) -> None:
    pem = request(program, subject)
    (workplace() / "request.pem").write_text(pem, "ascii")
    made = x509.load_pem_x509_csr(pem.encode()).subject
    assert tuple((name.rfc4514_attribute_name, name.value) for name in made) == tuple(
        ("1.2.840.113549.1.9.1" if name == "emailAddress" else name, value) for name, value in subject.attributes
    )
    printed = openssl(program, "req", "-in", "request.pem", "-noout", "-subject", "-nameopt", "compat")
    expected = subject.oneline()
    if openssl(program, "version").startswith("OpenSSL 1"):
        # It escapes nothing but bytes, so that a / in a value looks like the next attribute.
        parts = (f"/{name}={value.encode().decode('latin-1')}" for name, value in subject.attributes)
        expected = re.sub(r"[^ -~]", lambda byte: f"\\x{ord(byte[0]):02X}", "".join(parts))
    assert printed.removeprefix("subject=").strip("\n") == expected


@pytest.mark.slow
@BYTES_COUNTED
@pytest.mark.parametrize("program", EACH)
@REAL
@given(SUBJECT)
@example({"common_name": "O'Neil", "organization": "Acme, Inc.", "locality": "Zürich", "state": "a$b"})
@example({"common_name": "#1", "organization": r"C:\dir", "locality": '"x"', "state": "${ENV::HOME}"})
@example({"common_name": "\\", "organization": "a\\", "locality": "\\n", "state": "a\\/b+c", "country": "de"})
@example({"common_name": "@x", "organization": ";x", "locality": "=x", "state": "[x]", "email_address": "'$`@#"})
@example({"common_name": "x" * 64, "locality": "é" * 128, "state": "例" * 126 + "\\$"})
def test_openssl_reads_back_the_subject(program: str, texts: dict[str, str]) -> None:
    if subject := answer(parse_subject, **texts):
        check_subject(program, subject)


@BYTES_COUNTED
@pytest.mark.parametrize("program", EACH)
def test_openssl_reads_back_every_good_subject_of_the_table(program: str) -> None:
    for function, verdict, text, _ in cases():
        if (function, verdict) == ("subject", "ok"):
            attribute, _, value = text.partition("=")
            check_subject(program, parse_subject(**{FIELDS[attribute]: value}))


def test_the_index_of_openssl_ca_has_the_oneline_form() -> None:
    subject = parse_subject(common_name="Zoë's", organization="a/b+c\\d", country="de", email_address="a@b.example")
    config = (
        f"[req]\nprompt=no\ndistinguished_name=dn\nutf8=yes\nstring_mask=utf8only\n[dn]\n{subject.config_lines()}\n"
        "[ca]\ndefault_ca=here\n[here]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=root.crt\n"
        "private_key=key.pem\ndefault_md=sha256\ndefault_days=1\npolicy=any\n[any]\ncommonName=supplied\n"
        "countryName=optional\norganizationName=optional\nemailAddress=optional\n"
    )
    (workplace() / "index.txt").write_text("")
    (workplace() / "serial").write_text("01\n")
    common = ("-config", "openssl.cnf", "-batch")
    openssl("openssl", "req", "-new", "-x509", "-key", "key.pem", *common, "-out", "root.crt", config=config)
    openssl("openssl", "req", "-new", "-key", "key.pem", *common, "-out", "request.pem", config=config)
    openssl("openssl", "ca", *common, "-preserveDN", "-in", "request.pem", "-out", os.devnull, config=config)
    assert (workplace() / "index.txt").read_text("ascii").rstrip("\n").split("\t")[-1] == subject.oneline()


# Subjects

EVERYTHING = {
    "email_address": "it@example.com",
    "common_name": "pbx",
    "organizational_unit": "GCS",
    "organization": "Zürich / Söhne",
    "locality": "Basking Ridge",
    "state": "New Jersey",
    "country": "us",
}


def test_attributes_come_in_the_order_of_openssl() -> None:
    subject = parse_subject(**EVERYTHING)
    assert [name for name, _ in subject.attributes] == ["C", "ST", "L", "O", "OU", "CN", "emailAddress"]
    assert subject.config_lines().split("\n")[0] == "C = US"
    assert subject.oneline() == (
        "/C=US/ST=New Jersey/L=Basking Ridge/O=Z\\xC3\\xBCrich \\/ S\\xC3\\xB6hne"
        "/OU=GCS/CN=pbx/emailAddress=it@example.com"
    )


def test_none_leaves_an_attribute_out() -> None:
    assert parse_subject(common_name="x", organization=None).attributes == (("CN", "x"),)
    with pytest.raises(UsageError, match="the subject is empty"):
        parse_subject()


def test_upper_bounds_of_the_longer_attributes() -> None:
    assert parse_subject(locality="é" * 128, state="x" * 128, email_address="a" * 126 + "@b")
    for field, text in (("locality", "é" * 129), ("state", "x" * 129), ("email_address", "a" * 127 + "@b")):
        with pytest.raises(UsageError, match="at most 128"):
            parse_subject(**{field: text})


@pytest.mark.parametrize("value", ["😀" * 126 + "$x", "😀" * 125 + "a$x"])
def test_no_backslash_comes_where_old_openssl_loses_it(value: str) -> None:
    with pytest.raises(UsageError, match="too long for openssl"):
        parse_subject(state=value)
    assert parse_subject(state=value[10:])


# Slips

SEED = "DNS:avaya.domian.com, DNS:avaya.domian.com, IP:96.34.1.2"


def test_the_slips_of_the_seed_are_found() -> None:
    assert slips("avaya.domain.com", parse_names(SEED)) == [
        "the common name avaya.domain.com is not among the alternative names",
        "DNS:avaya.domian.com is given 2 times",
        "avaya.domain.com and avaya.domian.com differ by two swapped letters: one may be a slip",
    ]


@pytest.mark.parametrize(
    ("common_name", "names"),
    [
        ("avaya.domain.com", "DNS:avaya.domain.com, IP:96.34.1.2, DNS:domain.com"),
        ("Avaya.Domain.COM", "DNS:avaya.domain.com"),
        ("bücher.example", "DNS:xn--bcher-kva.example"),
        ("10.0.0.5", "IP:10.0.0.5"),
        ("2001:DB8::1", "IP:2001:db8::1"),
        ("*.example.com", "DNS:*.example.com, DNS:example.com"),
        ("Anna Müller", "email:anna@example.com"),
        (None, "DNS:node12.example.com, DNS:node21.example.com, IP:10.0.0.12, IP:10.0.0.21"),
        (None, "DNS:aa.example.com, DNS:ab.example.com, DNS:a.b.example, DNS:ab..example".replace("..", ".x.")),
        (None, "DNS:abc.example.com, DNS:cba.example.com"),
        (None, "DNS:pbx1.example.com, DNS:pb1x.example.com, DNS:p1bx.example.com"),
    ],
)
def test_good_names_give_no_warning(common_name: str | None, names: str) -> None:
    assert slips(common_name, parse_names(names)) == []


def test_two_names_swapped_are_told_once_in_their_order() -> None:
    names = parse_names("DNS:pxb.example.com, DNS:pbx.example.com, DNS:pbx.exmaple.com")
    assert slips(None, names) == [
        "pxb.example.com and pbx.example.com differ by two swapped letters: one may be a slip",
        "pbx.example.com and pbx.exmaple.com differ by two swapped letters: one may be a slip",
    ]


def test_other_slips() -> None:
    assert slips("IP Office", parse_names("pbx.example.com")) == [
        "the common name 'IP Office' is not among the alternative names"
    ]
    assert slips(None, parse_names("*.local, *.example.com")) == [
        "*.local is a wildcard directly under a top-level label: many clients refuse it"
    ]
    assert slips("pbx", ()) == []


def test_slips_never_print_what_a_foreign_certificate_hides() -> None:
    names = [GeneralName("DNS", "a\nb"), GeneralName("DNS", "a\nb"), GeneralName("DNS", "*.\x1b[2J")]
    assert all(message.isprintable() for message in slips("x\n\u202e", names))


def test_thousands_of_anagrams_are_no_quadratic_work() -> None:
    letters = random.Random(1)
    names = [GeneralName("DNS", "".join(letters.sample("abcdefghijkl", 12)) + ".example.com") for _ in range(20_000)]
    start = time.process_time()
    slips(None, names)
    # Comparing 200 million pairs would take far longer on any machine.
    assert time.process_time() - start < 5


# File names


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (GeneralName("DNS", "pbx.example.com"), "pbx.example.com"),
        (GeneralName("DNS", "*.example.com"), "_wildcard.example.com"),
        (GeneralName("IP", "10.0.0.5"), "10.0.0.5"),
        (GeneralName("IP", "2001:db8::1"), "2001_db8__1"),
        (GeneralName("IP", "::1"), "__1"),
        (GeneralName("email", "it+x@example.com"), "it+x@example.com"),
        (GeneralName("URI", "sip:alice@example.com"), "sip_alice@example.com"),
        ("pbx", "pbx"),
        ("ca.example.com", "ca.example.com"),
        ("a" * 200, "a" * 200),
    ],
)
def test_file_name(name: GeneralName | str, stem: str) -> None:
    assert file_name(name) == stem


@pytest.mark.parametrize(
    "name",
    [
        *[
            "",
            " ",
            "ca",
            "CA",
            ".",
            "..",
            "../x",
            "a/b",
            "/a",
            ".hidden",
            "-x",
            "a b",
            "a\n",
            "a\x00",
            "zürich",
            "*",
            "a*",
        ],
        *[
            "*.../x",
            "a" * 201,
            "*." + "a" * 200,
            "$x",
            "a\\b",
            GeneralName("DNS", "ca"),
            GeneralName("URI", "http://x.example/"),
            "a\u202eb",
        ],
    ],
)
def test_no_file_name_is_dangerous(name: GeneralName | str) -> None:
    with pytest.raises(UsageError) as caught:
        file_name(name)
    assert str(caught.value).isprintable()


@given(st.text())
def test_any_file_name_is_refused_or_safe(text: str) -> None:
    if stem := answer(file_name, text):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@+=~-]{0,199}", stem)
        assert stem.lower() != "ca"


# Start-up


def test_importing_is_cheap_and_ascii_names_need_no_idna() -> None:
    code = (
        "import sys; from opensslgen.names.general import parse_names; parse_names('pbx.example.com, *.x.example');"
        "print(*sorted({'idna', 'ipaddress', 'sh', 'click', 'subprocess'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
