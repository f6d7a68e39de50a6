"""Field parsing follows RFC 9110, 5.5, 5.6 and 12.4.2 to the letter, and leaves out what is malformed."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.fields import (
    is_field_value,
    is_token,
    parse_digits,
    parse_parameters,
    parse_qvalue,
    parse_weighted,
    quote,
    split_list,
    unquote,
)

TCHAR = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
tokens = st.text(TCHAR, min_size=1)
quotable = st.text(st.one_of(st.just("\t"), st.characters(min_codepoint=0x20, max_codepoint=0xFF))).filter(
    lambda text: "\x7f" not in text
)


@pytest.mark.parametrize("character", [chr(code) for code in range(256)])
def test_a_token_consists_of_tchar_alone(character: str):
    assert is_token(character) is (character in TCHAR)
    assert is_token(character.encode("latin-1")) is (character in TCHAR)
    assert is_token("a" + character) is (character in TCHAR)


@pytest.mark.parametrize("value", ["", b"", "a b", "gzip,", "né", "\udc80", "a\n", b"a\n", "\u0661"])
def test_what_is_no_token(value: str | bytes):
    assert not is_token(value)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (b"", True),
        (b"a", True),
        (b"a b\tc", True),
        (b"caf\xc3\xa9", True),
        (b" a", False),
        (b"a ", False),
        (b"\ta", False),
        (b"a\t", False),
        (b"a\r\nset-cookie: x", False),
        (b"a\nb", False),
        (b"a\rb", False),
        (b"a\x00b", False),
        (b"a\x7fb", False),
        (b"a\x1bb", False),
    ],
)
def test_field_values_hold_no_controls_and_no_outer_whitespace(value: bytes, valid: bool):
    """No CR, LF, NUL; no leading or trailing whitespace (cors_security 23)."""
    assert is_field_value(value) is valid


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"", []),
        (b",", []),
        (b" ,\t, ,", []),
        (b"a", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b" a ,\tb\t,, c,", [b"a", b"b", b"c"]),
        (b"a b,c", [b"a b", b"c"]),
        (b'"a,b",c', [b'"a,b"', b"c"]),
        (b'for="a, for=6.6.6.6";proto=https', [b'for="a, for=6.6.6.6";proto=https']),
        (b'W/"a,b" , "c"', [b'W/"a,b"', b'"c"']),
        (b'"a\\",b",c', [b'"a\\",b"', b"c"]),
        (b'"a\\\\",b', [b'"a\\\\"', b"b"]),
        (b'a\\,"b"', [b"a\\", b'"b"']),
        (b'a\\"b,c",d', [b'a\\"b,c"', b"d"]),
        (b'a,"b,c', [b"a", b'"b,c']),
        (b'a,"b\\', [b"a", b'"b\\']),
        (b"\x0ba\x0b,\xa0b", [b"\x0ba\x0b", b"\xa0b"]),
    ],
)
def test_lists_split_at_commas_outside_quotes(value: bytes, elements: list[bytes]):
    """Whitespace and empty items are taken, commas inside quotes do not split (cors_security 8 and 26)."""
    assert split_list(value) == elements


@given(st.lists(tokens), st.sampled_from([",", ", ", " ,\t", ",, ,"]))
def test_joined_tokens_split_into_the_same_tokens(elements: list[str], separator: str):
    assert split_list(separator.join(elements).encode()) == [element.encode() for element in elements]


@given(st.lists(quotable), st.sampled_from([",", " , "]))
def test_joined_quoted_strings_split_into_the_same_strings(texts: list[str], separator: str):
    elements = [quote(text) for text in texts]
    split = split_list(separator.join(elements).encode("latin-1"))
    assert [unquote(element) for element in split] == [text.encode("latin-1") for text in texts]


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (b'""', b""),
        (b'"a"', b"a"),
        (b'"a, b;\tc"', b"a, b;\tc"),
        (b'"a\\"b"', b'a"b'),
        (b'"a\\\\"', b"a\\"),
        (b'"\\a\\b"', b"ab"),
        (b'"\xe9"', b"\xe9"),
        (b"", None),
        (b'"', None),
        (b"a", None),
        (b'"a', None),
        (b'a"', None),
        (b' "a"', None),
        (b'"a"b"', None),
        (b'"a\\"b"c"', None),
        (b'"a\\"', None),
        (b'"\\\\\\"', None),
        (b'"a\nb"', None),
        (b'"a\\\nb"', None),
        (b'"a\x00"', None),
        (b'"a\x7f"', None),
    ],
)
def test_quoted_strings_are_unquoted_only_if_well_formed(value: bytes, content: bytes | None):
    assert unquote(value) == content


@given(quotable)
def test_what_is_quoted_unquotes_to_itself(text: str):
    assert unquote(quote(text).encode("latin-1")) == text.encode("latin-1")


@pytest.mark.parametrize("text", ["\n", "\r", "\x00", "\x7f", "a\x1fb", "\u0100", "\udc80", "a\n"])
def test_what_no_quoted_string_can_hold_is_refused(text: str):
    with pytest.raises(ValueError, match="must hold no controls and nothing above U\\+00FF; got "):
        quote(text)


@pytest.mark.parametrize(
    ("value", "thousandths"),
    [
        (b"0", 0),
        (b"0.", 0),
        (b"0.0", 0),
        (b"0.000", 0),
        (b"0.001", 1),
        (b"0.5", 500),
        (b"0.05", 50),
        (b"0.123", 123),
        (b"1", 1000),
        (b"1.", 1000),
        (b"1.000", 1000),
    ],
)
def test_quality_values_in_thousandths(value: bytes, thousandths: int):
    assert parse_qvalue(value) == thousandths


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0.1234",
        "1.0000",
        "1.001",
        "1.1",
        "2",
        "10",
        "00",
        "00.5",
        ".5",
        "-0",
        "+1",
        "1e0",
        "0,5",
        "0.5 ",
        " 0.5",
        "0.5\n",
        "0_1",
        "0x1",
        "nan",
        "inf",
        "q",
        "\xb2",
        "0.\xb2",
    ],
)
def test_invalid_quality_values(value: str):
    """More than three decimals or above 1 is invalid (compression 7)."""
    assert parse_qvalue(value.encode("latin-1")) is None


def test_every_quality_value_with_three_decimals_is_exact():
    assert [parse_qvalue(b"0.%03d" % n) for n in range(1000)] == list(range(1000))


@pytest.mark.parametrize(
    ("value", "weighted"),
    [
        (b"", []),
        (b"gzip, BR;q=0.5", [(b"gzip", 1000), (b"br", 500)]),
        (b"a ; Q=0.2 , b;\tq=0", [(b"a", 200), (b"b", 0)]),
        (b"a;", [(b"a", 1000)]),
        (b"a;;q=0.1", [(b"a", 100)]),
        (b"text/html;level=1;q=0.3", [(b"text/html", 300)]),
        (b'text/html;a=";q=0";q=0.3', [(b"text/html", 300)]),
        (b'text/html;a=",";q=0.3, b', [(b"text/html", 300), (b"b", 1000)]),
        (b"a;q=0;q=1", [(b"a", 0)]),
        (b"a;q=2, b", [(b"b", 1000)]),
        (b"a;q=, b", [(b"b", 1000)]),
        (b"a;q, b", [(b"b", 1000)]),
        (b"a;q =1, b;q= 1, c", [(b"c", 1000)]),
        (b'a;q="1", b', [(b"b", 1000)]),
        (b"a;quality=0", [(b"a", 1000)]),
    ],
)
def test_weighted_lists_drop_elements_with_an_invalid_weight(value: bytes, weighted: list[tuple[bytes, int]]):
    """Weights of 0, names in any case, and a bad q that drops its item alone (compression 2 and 7)."""
    assert parse_weighted(value) == weighted


def test_a_weighted_list_of_absurd_length_is_not_read():
    """Servers differ in what they let in; reading megabytes of it would hold up every other request."""
    assert len(parse_weighted(b"a, " * 2730)) == 2730
    assert parse_weighted(b"a, " * 2731) == []


@pytest.mark.parametrize(
    ("value", "head", "parameters"),
    [
        (b"", b"", {}),
        (b"text/html", b"text/html", {}),
        (b" Text/HTML ; Charset=UTF-8", b"text/html", {b"charset": b"UTF-8"}),
        (b"t/s; a=b; q=0.5", b"t/s", {b"a": b"b", b"q": b"0.5"}),
        (b't/s;a="x;y=\\"1\\"";b=2', b"t/s", {b"a": b'x;y="1"', b"b": b"2"}),
        (b"t/s;a=1;A=2", b"t/s", {b"a": b"1"}),
        (b't/s;a="";b=1', b"t/s", {b"a": b"", b"b": b"1"}),
        (b"t/s;;a=1;", b"t/s", {b"a": b"1"}),
        (b"t/s;a;=1;b c=1;d=e f;g= 1;h =1;i=;j=1", b"t/s", {b"j": b"1"}),
        (b't/s;a="x"y;b="\x00";c=1', b"t/s", {b"c": b"1"}),
        (b't/s;b=1;a="x;c=2', b"t/s", {b"b": b"1"}),
        (b';for="[2001:db8::1]:80";Proto=https', b"", {b"for": b"[2001:db8::1]:80", b"proto": b"https"}),
    ],
)
def test_parameters_of_a_value(value: bytes, head: bytes, parameters: dict[bytes, bytes]):
    """Tokens or quoted-strings; semicolons inside quotes do not split (cors_security 26)."""
    assert parse_parameters(value) == (head, parameters)


@given(st.dictionaries(tokens.map(str.lower), quotable))
def test_written_parameters_are_read_back(parameters: dict[str, str]):
    value = "a/b" + "".join(f"; {name}={quote(content)}" for name, content in parameters.items())
    expected = {name.encode(): content.encode("latin-1") for name, content in parameters.items()}
    assert parse_parameters(value.encode("latin-1")) == (b"a/b", expected)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0),
        (b"007", 7),
        (b"9223372036854775807", 2**63 - 1),
        (b"9" * 19, 10**19 - 1),
        (b"0" * 20, None),
        (b"9" * 10_000, None),
        (b"", None),
        (b"1_0", None),
        (b"+5", None),
        (b"-1", None),
        (b" 5", None),
        (b"5\n", None),
        (b"0x10", None),
        (b"1.0", None),
        ("\u0663".encode(), None),
        (b"\xb2", None),
        (b"5, 5", None),
    ],
)
def test_numbers_are_ascii_digits_of_bounded_length(value: bytes, number: int | None):
    """A length is digits only (cors_security 20)."""
    assert parse_digits(value) == number


def test_the_bound_on_digits_can_be_set():
    assert parse_digits(b"65535", longest=5) == 65535
    assert parse_digits(b"100000", longest=5) is None
