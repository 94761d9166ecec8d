"""java.text.DecimalFormat patterns and numbers read as commons-lang reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException

from flows.expressions.errors import ExpressionError
from flows.expressions.java_text import double_text
from flows.expressions.values import Float32

Number = int | float | Decimal
MAX_EXPONENT = 400
_WIDE = Context(prec=1200, Emax=10_000, Emin=-10_000)
_HARD_SPACE = "\u00a0"
# Decimal point and grouping mark by language or country; English otherwise.
_MARKS = {
    "fr": (",", "\u202f"), "de": (",", "."), "es": (",", "."), "it": (",", "."), "pt": (",", "."), "nl": (",", "."),
    "da": (",", "."), "el": (",", "."), "hr": (",", "."), "id": (",", "."), "ro": (",", "."), "sl": (",", "."),
    "tr": (",", "."), "vi": (",", "."), "bg": (",", _HARD_SPACE), "cs": (",", _HARD_SPACE), "fi": (",", _HARD_SPACE),
    "hu": (",", _HARD_SPACE), "nb": (",", _HARD_SPACE), "no": (",", _HARD_SPACE), "pl": (",", _HARD_SPACE),
    "ru": (",", _HARD_SPACE), "sk": (",", _HARD_SPACE), "sv": (",", _HARD_SPACE), "uk": (",", _HARD_SPACE),
    "de_at": (",", _HARD_SPACE), "de_ch": (".", "\u2019"), "it_ch": (".", "\u2019"), "es_mx": (".", ","),
    "fr_ca": (",", _HARD_SPACE), "pt_pt": (",", _HARD_SPACE),
}  # fmt: skip
_EVERYTHING = "#,###." + "#" * 20  # what an empty pattern means


@dataclass(frozen=True, slots=True)
class NumberPattern:
    prefix: str
    suffix: str
    least_integers: int
    least_fractions: int
    most_fractions: int
    grouping: int
    multiplier: int
    exponent_digits: int
    most_integers: int


def format_number(value: int | float | Decimal, pattern: str, locale: str | None = None) -> str:
    """DecimalFormat with half-even rounding."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("-" if value < 0 else "") + "∞"
    positive, _, negative = (pattern or _EVERYTHING).partition(";")
    form = _parse(positive)
    number, exact = _multiplied(value, form.multiplier)
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise ExpressionError("The number is out of range for a format")
    digits = _digits(abs(number), abs(exact), form, locale)
    if number < 0:  # also where only zeros are left of it, as Java has it
        if negative:
            low = _parse(negative)
            return low.prefix + digits + low.suffix
        return "-" + form.prefix + digits + form.suffix
    return form.prefix + digits + form.suffix


def _parse(pattern: str) -> NumberPattern:
    match = re.fullmatch(r"((?:'[^']*'|[^#0,.'])*)([#0,.]*)(?:E(0+))?((?:'[^']*'|[^'])*)", pattern)
    if match is None or len(pattern) > 200:
        raise ExpressionError("Malformed number pattern")
    prefix, body, exponent, suffix = match.groups()
    whole, point, fraction = body.partition(".")
    if "," in fraction or "." in fraction or not re.fullmatch(r"[#,]*[0,]*", whole):
        raise ExpressionError("Malformed number pattern")
    grouping = len(whole) - whole.rindex(",") - 1 if "," in whole else 0
    least = whole.count("0")
    if not least and not fraction and "#" in whole and not point:
        least = 1
    affixes = prefix + suffix
    return NumberPattern(
        prefix=prefix.replace("'", ""),
        suffix=suffix.replace("'", ""),
        least_integers=least,
        least_fractions=fraction.count("0"),
        most_fractions=len(fraction),
        grouping=grouping,
        multiplier=100 if "%" in affixes else 1000 if "‰" in affixes else 1,
        exponent_digits=len(exponent or ""),
        most_integers=whole.count("0") + whole.count("#"),
    )


def _multiplied(value: int | float | Decimal, factor: int) -> tuple[Decimal, Decimal]:
    """The shortest digits that tell a double, and all that it really is; the same for exact numbers."""
    if not isinstance(value, float):
        return Decimal(value) * factor, Decimal(value) * factor
    double = value * factor if factor > 1 else value
    return Decimal(double_text(double)), Decimal(double)


def _rounded(number: Decimal, exact: Decimal, places: int) -> Decimal:
    """Half-even. What a double really is decides its ties: 0.015 is a little less, and becomes 0.01."""
    exponent = number.as_tuple().exponent
    is_cut = isinstance(exponent, int) and -exponent > places
    return (exact if is_cut else number).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, _WIDE)


def _digits(number: Decimal, exact: Decimal, form: NumberPattern, locale: str | None) -> str:
    point, group = _marks(locale)
    if form.exponent_digits:
        return _exponential(number, exact, form, point)
    rounded = _rounded(number, exact, form.most_fractions)
    whole, _, fraction = format(rounded, "f").partition(".")
    whole = "" if whole == "0" else whole
    fraction = _trimmed(fraction, form.least_fractions)
    whole = whole.zfill(form.least_integers) if form.least_integers else whole
    if not whole and not fraction:
        whole = "0"
    if form.grouping:
        whole = _grouped(whole, form.grouping, group)
    return whole + (point + fraction if fraction else "")


def _marks(locale: str | None) -> tuple[str, str]:
    name = (locale or "en").replace("-", "_").lower()
    return _MARKS.get(name) or _MARKS.get(name.split("_")[0]) or (".", ",")


def _exponential(number: Decimal, exact: Decimal, form: NumberPattern, point: str) -> str:
    integers = max(1, form.least_integers)
    exponent = number.adjusted() - integers + 1 if number else 0
    if form.most_integers > form.least_integers and form.most_integers > 1:
        exponent = number.adjusted() // form.most_integers * form.most_integers if number else 0
    mantissa = _rounded(number.scaleb(-exponent, _WIDE), exact.scaleb(-exponent, _WIDE), form.most_fractions)
    whole, _, fraction = format(mantissa, "f").partition(".")
    fraction = _trimmed(fraction, form.least_fractions)
    power = ("-" if exponent < 0 else "") + str(abs(exponent)).zfill(form.exponent_digits)
    return f"{whole}{point + fraction if fraction else ''}E{power}"


def _trimmed(fraction: str, least: int) -> str:
    return fraction[:least] + fraction[least:].rstrip("0")


def _grouped(whole: str, size: int, mark: str) -> str:
    start = len(whole) % size
    groups = [whole[:start]] if start else []
    groups += [whole[index : index + size] for index in range(start, len(whole), size)]
    return mark.join(groups)


def parse_number(text: str, type_: str | None = None) -> Number:
    """`number` filter: by type, or the smallest Java type that holds the text."""
    text = text.strip()
    if len(text) > 1000:
        raise ExpressionError("The number is too long")
    try:
        return _BY_TYPE[type_.upper()](text) if type_ else _smallest(text)
    except KeyError:
        raise ExpressionError("The type must be INT, FLOAT, LONG, DOUBLE, BIGDECIMAL or BIGINTEGER") from None
    except (ValueError, OverflowError, DecimalException):
        raise ExpressionError(f"'{text[:100]}' is not a valid number") from None


def _integer(text: str, bits: int | None) -> int:
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise ValueError
    value = int(text)
    if bits and not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError
    return value


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", text, re.ASCII):
        raise ValueError
    return Decimal(text)


def _double(text: str) -> float:
    return float(_decimal(text.rstrip("dDfF")))


_BY_TYPE: dict[str, Callable[[str], Number]] = {
    "INT": lambda text: _integer(text, 32),
    "LONG": lambda text: _integer(text, 64),
    "BIGINTEGER": lambda text: _integer(text, None),
    "FLOAT": lambda text: Float32(_double(text)),
    "DOUBLE": _double,
    "BIGDECIMAL": _decimal,
}


def _smallest(text: str) -> Number:
    """NumberUtils.createNumber: Integer, Long, BigInteger; Float, Double, BigDecimal."""
    if re.fullmatch(r"[+-]?\d+[lL]?", text, re.ASCII):
        return int(text.rstrip("lL"))
    if re.fullmatch(r"[+-]?(?:0[xX]|#)[0-9a-fA-F]+", text):
        return int(text.replace("#", "0x"), 16)
    if text[-1:] in "fF":
        return Float32(_double(text))
    exact = _decimal(text.rstrip("dD"))
    double = float(exact)
    if text[-1:] in "dD":
        return double
    if abs(double) < 3e38:
        single = Float32(double)
        if double_text(single) == double_text(double):
            return single
    return double if math.isfinite(double) and Decimal(repr(double)) == exact else exact
