from __future__ import annotations

import time as clock
from datetime import datetime, timezone

import pytest
from asn1crypto import core
from hypothesis import given, settings
from hypothesis import strategies as st

from opensslgen.errors import UnreadableError
from opensslgen.x509 import der
from opensslgen.x509.der import DecodeError

from .der_writer import tlv


def read(content: bytes, reader: der.Content) -> object:
    return reader(content, 0, len(content))


def read_text(tag: int, content: bytes) -> str:
    return der.text(content, tag, 0, len(content))


FAULTY_ELEMENTS = {
    "": "the data ends within an element at byte 0",
    "04": "the data ends within an element at byte 0",
    "04 01": "an element is longer than what contains it at byte 0",
    "04 02 00": "an element is longer than what contains it at byte 0",
    "04 80 00 00": "an indefinite length at byte 1",
    "04 81": "the data ends within a length at byte 1",
    "04 82 01": "the data ends within a length at byte 1",
    "04 81 7F" + " 00" * 0x7F: "a length is not in its shortest form at byte 1",
    "04 81 00": "a length is not in its shortest form at byte 1",
    "04 82 00 80" + " 00" * 0x80: "a length is not in its shortest form at byte 1",
    "04 83 00 01 00" + " 00" * 0x100: "a length is not in its shortest form at byte 1",
    "04 85 00 00 00 00 01 00": "a length of more than four bytes at byte 1",
    "04 FF": "a length of more than four bytes at byte 1",
    "04 84 FF FF FF FF 00": "an element is longer than what contains it at byte 0",
    "1F 80 1F 00": "a tag number has leading zeros at byte 0",
    "1F 1E 00": "a tag number is not in its short form at byte 0",
    "1F 81": "a tag number is cut off or too large at byte 0",
    "1F FF FF FF FF 7F 00": "a tag number is cut off or too large at byte 0",
    "1F 1F": "the data ends within an element at byte 0",
    "1F 1F 01": "an element is longer than what contains it at byte 0",
}


@pytest.mark.parametrize(("encoding", "fault"), FAULTY_ELEMENTS.items())
def test_an_element_that_only_ber_allows_or_that_is_cut_off_is_refused(encoding: str, fault: str) -> None:
    data = bytes.fromhex(encoding)
    with pytest.raises(DecodeError) as caught:
        der.header(data, 0, len(data))
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("04 00", (0x04, 2, 2)),
        ("04 7F" + " 00" * 0x7F, (0x04, 2, 0x81)),
        ("04 81 80" + " 00" * 0x80, (0x04, 3, 0x83)),
        ("04 82 01 00" + " 00" * 0x100, (0x04, 4, 0x104)),
        ("1F 1F 00", (0x1F << 8 | 0x1F, 3, 3)),
        ("BF 81 00 01 FF", (0x80 << 8 | 0xBF, 4, 5)),
        ("BF 81 80 00 01 FF", (0x4000 << 8 | 0xBF, 5, 6)),
        ("BF FF FF FF 7F 00", (0xFFFFFFF << 8 | 0xBF, 6, 6)),
    ],
)
def test_an_element_is_found_with_each_form_of_tag_and_length(encoding: str, expected: tuple[int, int, int]) -> None:
    data = bytes.fromhex(encoding)
    assert der.header(data, 0, len(data)) == expected


def test_an_element_ends_with_its_container_and_not_with_the_data() -> None:
    data = bytes.fromhex("04 02 AA BB CC")
    assert der.header(data, 0, 4) == (4, 2, 4)
    with pytest.raises(DecodeError, match="longer than what contains it"):
        der.header(data, 0, 3)
    with pytest.raises(DecodeError, match="the thing is longer than what contains it at byte 0"):
        der.element(data, 0, 3, 0x04, "the thing")
    with pytest.raises(DecodeError, match="the data ends within an element"):
        der.header(data, 0, 1)


def test_an_element_with_another_tag_or_none_is_named() -> None:
    with pytest.raises(DecodeError, match=r"^the thing has the tag 04 and not 30 at byte 0$"):
        der.element(b"\x04\x00", 0, 2, 0x30, "the thing")
    with pytest.raises(DecodeError, match=r"^the thing is missing at byte 2$"):
        der.element(b"\x04\x00", 2, 2, 0x30, "the thing")
    with pytest.raises(DecodeError, match=r"^the data ends within the thing at byte 0$"):
        der.element(b"\x04\x00", 0, 1, 0x04, "the thing")
    with pytest.raises(DecodeError, match=r"^the thing is followed by bytes that do not belong to it at byte 2$"):
        der.whole(b"\x30\x00\x00", 0x30, "the thing")


FAULTY_CONTENTS: list[tuple[der.Content, str, str]] = [
    (der.boolean, "", "a BOOLEAN is not of one byte"),
    (der.boolean, "01", "a BOOLEAN is neither 00 nor FF"),
    (der.boolean, "FE", "a BOOLEAN is neither 00 nor FF"),
    (der.boolean, "FF FF", "a BOOLEAN is not of one byte"),
    (der.integer, "", "an INTEGER is empty"),
    (der.integer, "00 00", "an INTEGER is not in its shortest form"),
    (der.integer, "00 7F", "an INTEGER is not in its shortest form"),
    (der.integer, "FF 80", "an INTEGER is not in its shortest form"),
    (der.integer, "FF FF", "an INTEGER is not in its shortest form"),
    (der.natural, "FF", "an INTEGER is negative"),
    (der.natural, "01 00 00 00 00 00 00 00 00", "an INTEGER is larger than 64 bits"),
    (der.big_natural, "80", "an INTEGER is negative"),
    (der.bit_string, "", "a BIT STRING is empty"),
    (der.bit_string, "08 00", "a BIT STRING has too many unused bits"),
    (der.bit_string, "FF 00", "a BIT STRING has too many unused bits"),
    (der.bit_string, "01", "a BIT STRING has too many unused bits"),
    (der.bit_string, "01 01", "a BIT STRING has unused bits that are not zero"),
    (der.bit_string, "07 C0", "a BIT STRING has unused bits that are not zero"),
    (der.octets, "01 80", "a BIT STRING is not of whole bytes"),
    (der.object_identifier, "", "an OBJECT IDENTIFIER is cut off"),
    (der.object_identifier, "2A 81", "an OBJECT IDENTIFIER is cut off"),
    (der.object_identifier, "80 01", "an OBJECT IDENTIFIER has leading zeros"),
    (der.object_identifier, "2A 80 01", "an OBJECT IDENTIFIER has leading zeros"),
    (der.object_identifier, "2A 84" + " 80" * 17 + " 00", "an OBJECT IDENTIFIER has a number of more than 128 bits"),
    (der.object_identifier, "2A" + " 01" * 63, "an OBJECT IDENTIFIER is too long"),
    (der.generalized_time, "", "not written as YYYYMMDDHHMMSSZ"),
    (der.well_formed, "30 03 02 01", "an element is longer than what contains it"),
    (der.well_formed, "30 02 04 01", "an element is longer than what contains it"),
    (der.well_formed, "01 01 01", "a BOOLEAN is neither 00 nor FF"),
    (der.well_formed, "02 02 00 01", "an INTEGER is not in its shortest form"),
    (der.well_formed, "03 02 01 01", "a BIT STRING has unused bits that are not zero"),
    (der.well_formed, "06 01 80", "an OBJECT IDENTIFIER is cut off"),
    (der.well_formed, "05 01 00", "a NULL is followed by bytes that do not belong to it"),
    (der.well_formed, "00 00", "a tag that does not exist in DER"),
    (der.well_formed, "10 00", "a tag that does not exist in DER"),
    (der.well_formed, "24 02 04 00", "a value is built from pieces"),
    (der.well_formed, "2C 02 0C 00", "a value is built from pieces"),
    (der.well_formed, "30 80 00 00", "an indefinite length"),
]


@pytest.mark.parametrize(("reader", "content", "fault"), FAULTY_CONTENTS)
def test_a_content_that_der_forbids_is_refused(reader: der.Content, content: str, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        read(bytes.fromhex(content), reader)


FAULTY_TIMES = {
    (0x17, b"2001010000Z"): "not written as YYMMDDHHMMSSZ",
    (0x17, b"200101000000"): "not written as YYMMDDHHMMSSZ",
    (0x17, b"200101000000z"): "not written as YYMMDDHHMMSSZ",
    (0x17, b"200101000000+0000"): "not written as YYMMDDHHMMSSZ",
    (0x17, b"20010100000-Z"): "not written as YYMMDDHHMMSSZ",
    (0x17, b"2001 1000000Z"): "not written as YYMMDDHHMMSSZ",
    (0x17, b""): "not written as YYMMDDHHMMSSZ",
    (0x17, b"Z"): "not written as YYMMDDHHMMSSZ",
    (0x17, "20010100000²Z".encode("latin-1")): "not written as YYMMDDHHMMSSZ",
    (0x17, b"210229000000Z"): "a date and time that does not exist",
    (0x17, b"200100000000Z"): "a date and time that does not exist",
    (0x17, b"201301000000Z"): "a date and time that does not exist",
    (0x17, b"200101240000Z"): "a date and time that does not exist",
    (0x17, b"200101006000Z"): "a date and time that does not exist",
    (0x17, b"200101000060Z"): "a date and time that does not exist",
    (0x18, b"200101000000Z"): "not written as YYYYMMDDHHMMSSZ",
    (0x18, b"20200101000000.5Z"): "not written as YYYYMMDDHHMMSSZ",
    (0x18, b"20200101000000.0Z"): "not written as YYYYMMDDHHMMSSZ",
    (0x18, b"20200101000000"): "not written as YYYYMMDDHHMMSSZ",
    (0x18, b"2020010100Z"): "not written as YYYYMMDDHHMMSSZ",
    (0x18, b"00000101000000Z"): "a date and time that does not exist",
    (0x18, b"19000229000000Z"): "a date and time that does not exist",
    (0x16, b"200101000000Z"): "the start is neither a UTCTime nor a GeneralizedTime",
}


@pytest.mark.parametrize(("tag", "content", "fault"), [(*key, fault) for key, fault in FAULTY_TIMES.items()])
def test_a_time_in_another_form_or_of_no_real_instant_is_refused(tag: int, content: bytes, fault: str) -> None:
    data = tlv(tag, content)
    with pytest.raises(DecodeError, match=fault):
        der.time(data, 0, len(data), "the start")


@pytest.mark.parametrize(
    ("tag", "content", "expected"),
    [
        (0x17, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
        (0x17, b"500101000000Z", datetime(1950, 1, 1, tzinfo=timezone.utc)),
        (0x17, b"000229000000Z", datetime(2000, 2, 29, tzinfo=timezone.utc)),
        (0x18, b"00010101000000Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        (0x18, b"20200229010203Z", datetime(2020, 2, 29, 1, 2, 3, tzinfo=timezone.utc)),
        (0x18, b"99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
    ],
)
def test_the_years_of_both_kinds_of_time_are_read_as_rfc_5280_says(
    tag: int, content: bytes, expected: datetime
) -> None:
    data = tlv(tag, content)
    assert der.time(data, 0, len(data), "") == (expected, len(data))


FAULTY_TEXTS = {
    (0x0C, b"a\xff"): "a byte that is not allowed in a UTF8String at byte 1",
    (0x0C, b"\xc0\x80"): "a byte that is not allowed in a UTF8String",
    (0x0C, b"\xed\xa0\x80"): "a byte that is not allowed in a UTF8String",
    (0x13, b"a@b"): "a character that is not allowed in a PrintableString",
    (0x13, b"a*b"): "a character that is not allowed in a PrintableString",
    (0x13, b"a_b"): "a character that is not allowed in a PrintableString",
    (0x13, b"a\x00b"): "a character that is not allowed in a PrintableString",
    (0x13, b"\xe4"): "a byte that is not allowed in a PrintableString",
    (0x16, b"ab\x80"): "a byte that is not allowed in a IA5String at byte 2",
    (0x12, b"1a"): "a character that is not allowed in a NumericString",
    (0x1A, b"a\nb"): "a character that is not allowed in a VisibleString",
    (0x1A, b"a\x7f"): "a character that is not allowed in a VisibleString",
    (0x1E, b"\x00a\x00"): "a byte that is not allowed in a BMPString",
    (0x1E, b"\xd8\x00"): "a byte that is not allowed in a BMPString",
    (0x1E, b"\xdc\x00\xd8\x00"): "a byte that is not allowed in a BMPString",
    (0x1C, b"\x00\x00\x00"): "a byte that is not allowed in a UniversalString",
    (0x1C, b"\x00\x11\x00\x00"): "a byte that is not allowed in a UniversalString",
    (0x1C, b"\x00\x00\xd8\x00"): "a byte that is not allowed in a UniversalString",
    (0x04, b"a"): "a value with the tag 04 is not a text",
    (0x2C, b"a"): "a value with the tag 2C is not a text",
}


@pytest.mark.parametrize(("tag", "content", "fault"), [(*key, fault) for key, fault in FAULTY_TEXTS.items()])
def test_a_string_with_what_its_type_forbids_is_refused(tag: int, content: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        read_text(tag, content)


@pytest.mark.parametrize(
    ("tag", "codec", "value"),
    [
        (0x0C, "utf-8", "Zoë \U0001f512\x00\n\u202e"),
        (0x13, "ascii", "Az09 '()+,-./:=?"),
        (0x14, "ascii", "a~"),
        (0x16, "ascii", "a@b*_\x00"),
        (0x12, "ascii", "0 9"),
        (0x1A, "ascii", "a~ !"),
        (0x1E, "utf-16-be", "Zoë \U0001f512"),
        (0x1C, "utf-32-be", "Zoë \U0001f512"),
    ],
)
def test_each_string_type_is_read_with_its_own_encoding(tag: int, codec: str, value: str) -> None:
    assert read_text(tag, value.encode(codec)) == value


@given(st.integers() | st.integers(-(2**70), 2**70) | st.sampled_from([0, 127, 128, -128, -129, 255, 256]))
def test_integers_are_read_as_asn1crypto_writes_them(value: int) -> None:
    data = core.Integer(value).dump()
    start, stop = der.whole(data, 0x02, "")
    assert der.integer(data, start, stop) == value


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**64) | st.integers(0, 300), max_size=5))
def test_object_identifiers_are_read_as_asn1crypto_writes_them(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    data = core.ObjectIdentifier(dotted).dump()
    start, stop = der.whole(data, 0x06, "")
    assert der.object_identifier(data, start, stop) == dotted


def test_an_identifier_below_2_may_have_a_second_number_over_39() -> None:
    assert read(bytes.fromhex("88 37 03"), der.object_identifier) == "2.999.3"
    assert read(bytes.fromhex("83") + b"\xff" * 17 + b"\x7f", der.object_identifier) == f"2.{2**128 - 81}"


@given(st.datetimes(datetime(1950, 1, 1), datetime(2049, 12, 31)))
def test_times_are_read_as_asn1crypto_writes_them(value: datetime) -> None:
    instant = value.replace(microsecond=0, tzinfo=timezone.utc)
    for kind in (core.UTCTime, core.GeneralizedTime):
        data = kind(instant).dump()
        assert der.time(data, 0, len(data), "") == (instant, len(data))


READERS = (
    der.boolean,
    der.integer,
    der.natural,
    der.big_natural,
    der.bit_string,
    der.octets,
    der.object_identifier,
    der.generalized_time,
    der.well_formed,
    der.header,
    lambda data, at, end: der.time(data, at, end, ""),
    lambda data, at, end: der.element(data, at, end, 0x30, ""),
    lambda data, at, end: der.text(data, data[0] if data else 0, at, end),
    lambda data, at, end: der.sequence(data, at, end, (0x02, der.integer, True), (0x30, der.well_formed, False)),
    lambda data, at, end: der.list_of(data, at, end, 0x06, der.object_identifier),
)


@settings(max_examples=1000)
@given(st.binary(max_size=40) | st.binary(max_size=12).map(lambda content: tlv(0x30, tlv(0x02, content))))
def test_any_bytes_are_read_or_refused_with_a_decode_error_and_nothing_else(data: bytes) -> None:
    for reader in READERS:
        offset: int | None = 0
        try:
            reader(data, 0, len(data))
        except DecodeError as error:
            offset = error.offset
        assert offset is not None
        assert 0 <= offset <= len(data)


def test_a_hundred_thousand_levels_are_walked_without_recursion_and_in_linear_time() -> None:
    headers = [b"\x30\x00"]
    length = 2
    for _ in range(100_000):
        headers.append(tlv(0x30, bytes(length))[:-length] if length < 0x80 else _long_header(length))
        length += len(headers[-1])
    content = b"".join(reversed(headers))
    begin = clock.process_time()
    der.well_formed(content, 0, len(content))
    assert clock.process_time() - begin < 2


def _long_header(length: int) -> bytes:
    size = (length.bit_length() + 7) // 8
    return bytes((0x30, 0x80 | size)) + length.to_bytes(size, "big")


def test_a_fault_inside_an_element_can_be_told_by_its_place_in_the_whole_input() -> None:
    assert str(DecodeError("a fault", 3).moved(40)) == "a fault at byte 43"
    assert str(DecodeError("a fault").moved(40)) == "a fault"


def test_a_fault_is_an_unreadable_input_to_the_command_line() -> None:
    assert issubclass(DecodeError, UnreadableError)
    assert DecodeError("a fault").exit_code == 2


def test_structures_name_what_is_missing_and_what_is_too_much() -> None:
    number = (0x02, der.integer, False)
    assert der.sequence(b"\x30\x03\x02\x01\x05", 0, 5, number, (0x04, der.anything, True)) == [5, None]
    with pytest.raises(DecodeError, match="a part of a structure is missing"):
        der.sequence(b"\x30\x00", 0, 2, number)
    with pytest.raises(DecodeError, match="a structure is followed by bytes that do not belong to it"):
        der.sequence(b"\x30\x05\x02\x01\x05\x05\x00", 0, 7, number)
    assert der.list_of(b"\x30\x06\x02\x01\x05\x02\x01\x06", 0, 8, 0x02, der.integer) == [5, 6]
    with pytest.raises(DecodeError, match="a member of a list is missing"):
        der.list_of(b"\x30\x00", 0, 2, 0x02, der.integer, least=1)
