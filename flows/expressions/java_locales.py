"""Names of months and days as Java's CLDR data has them, for the languages that flows ask for; data only."""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    days: tuple[str, ...]
    short_days: tuple[str, ...]
    halves: tuple[str, str]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH = Language(
    _words("January February March April May June July August September October November December"),
    _words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
    _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    _words("Mon Tue Wed Thu Fri Sat Sun"),
    ("AM", "PM"),
)
LANGUAGES = {
    "en": ENGLISH,
    "fr": Language(
        _words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        _words("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
        _words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        _words("lun. mar. mer. jeu. ven. sam. dim."),
        ("AM", "PM"),
    ),
    "de": Language(
        _words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        _words("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
        _words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
        _words("Mo. Di. Mi. Do. Fr. Sa. So."),
        ("AM", "PM"),
    ),
    "es": Language(
        _words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        _words("ene feb mar abr may jun jul ago sept oct nov dic"),
        _words("lunes martes miércoles jueves viernes sábado domingo"),
        _words("lun mar mié jue vie sáb dom"),
        ("a.\u00a0m.", "p.\u00a0m."),
    ),
    "it": Language(
        _words("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        _words("gen feb mar apr mag giu lug ago set ott nov dic"),
        _words("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
        _words("lun mar mer gio ven sab dom"),
        ("AM", "PM"),
    ),
    "pt": Language(
        _words("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        _words("jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez."),
        _words("segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo"),
        _words("seg. ter. qua. qui. sex. sáb. dom."),
        ("AM", "PM"),
    ),
    "nl": Language(
        _words("januari februari maart april mei juni juli augustus september oktober november december"),
        _words("jan feb mrt apr mei jun jul aug sep okt nov dec"),
        _words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
        _words("ma di wo do vr za zo"),
        ("a.m.", "p.m."),
    ),
}
SUNDAY_FIRST = frozenset({"us", "ca", "br", "mx", "jp", "in", "au"})


def language_of(locale: str | None) -> Language:
    """By the language part of `fr`, `fr_FR` or `fr-FR`; English for others."""
    name = (locale or "en").replace("-", "_").split("_")[0].lower()
    return LANGUAGES.get(name, ENGLISH)


def week_rule(locale: str | None) -> tuple[int, int]:
    """First day of the week (Monday is 0) and the days a first week of a year must have."""
    parts = (locale or "en_US").replace("-", "_").lower().split("_")
    if len(parts) == 1:
        return (6, 1) if parts[0] == "en" else (0, 4)
    return (6, 1) if parts[1] in SUNDAY_FIRST else (0, 4)
