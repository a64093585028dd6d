"""Units of measure and of money, with their other spellings.

Nothing is converted: 5 m and 500 cm are the same length, but a question that asks for centimetres
has one right answer. A pound may be weight or money, so it is a unit of its own.
"""

from __future__ import annotations

import re

# The unit, then its other names. A plural s is removed first, so only irregular plurals are here.
# Squares, cubes and quotients are composed of these.
_TABLE = """
%     | percent | per cent | pct | percentage
°     | deg | degree
°C    | degree celsius | degree c | deg c | celsius | degree centigrade
°F    | degree fahrenheit | degree f | deg f | fahrenheit
K     | kelvin
$     | dollar | usd | us dollar
€     | euro | eur
£     | gbp
¥     | yen
₹     | rupee
pound |
cent  | ¢
nm    | nanometer | nanometre
μm    | micron | micrometer | micrometre | um
mm    | millimeter | millimetre
cm    | centimeter | centimetre
m     | meter | metre
km    | kilometer | kilometre
in    | inch | inches
ft    | foot | feet
yd    | yard
mi    | mile
m^2   | sqm
ft^2  | sqft
cm^3  | cc | ccm
acre  |
ha    | hectare
ml    | milliliter | millilitre
cl    | centiliter | centilitre
l     | L | liter | litre
gal   | gallon
cup   |
mg    | milligram
g     | gram
kg    | kilogram | kilo
t     | ton | tonne
oz    | ounce
tbsp  | tablespoon
tsp   | teaspoon
lb    |
ms    | millisecond
s     | sec | second
min   | minute
h     | hr | hour
day   |
week  | wk
month |
year  | yr | year old
km/h  | kph | kmh | kmph
mi/h  | mph
Hz    | hertz
kHz   | kilohertz
mHz   | millihertz
MHz   | mhz | megahertz
GHz   | gigahertz
mV    | millivolt
V     | volt
kV    | kilovolt
MV    | megavolt
mA    | milliampere | milliamp
A     | amp | ampere
MA    | megaampere
Ω     | ohm
mW    | milliwatt
W     | watt
kW    | kilowatt
MW    | megawatt
GW    | gigawatt
kWh   | kilowatt hour
J     | joule
mJ    | millijoule
kJ    | kilojoule
MJ    | megajoule
cal   | calorie
kcal  | kilocalorie
N     | newton
kN    | kilonewton
Pa    | pascal
kPa   | kilopascal
mPa   | millipascal
MPa   | megapascal
Nm    | newton meter | newton metre
mol   | mole
dB    | decibel
rpm   |
bpm   |
KB    | kB | kb | kilobyte
MB    | mb | megabyte
GB    | gb | gigabyte
TB    | tb | terabyte
Kb    | kilobit
Mb    | megabit
Gb    | gigabit
"""
_ROWS = [[name.strip() for name in row.split("|")] for row in _TABLE.strip().splitlines()]
UNITS = {unit for unit, *_ in _ROWS}
_ALIASES = {alias: unit for unit, *aliases in _ROWS for alias in (unit, *aliases) if alias}
_FOLDED: dict[str, set[str]] = {}  # by name in lower case; some, such as mw, have two units
for _alias, _unit in _ALIASES.items():
    _FOLDED.setdefault(_alias.casefold(), set()).add(_unit)
SPELLINGS = [
    (re.compile(pattern), written)
    for pattern, written in (
        ("²", "^2"),
        ("³", "^3"),
        (r"\^\{(\d)\}", r"^\1"),
        (r"\.(?=\s|$)", ""),  # sq. ft.
        (r"° (?=[CF]\b)", "°"),
        (r"(?:^| )per (?!cent\b)| ?/ ?", "/"),
    )
]
POWER = re.compile(
    r"(?:(?P<word>square|sq|cubic|cu) )?(?P<base>.*?\S)"
    r"(?:\^?(?P<digit>[23])| (?P<behind>squared|cubed))?",
    re.IGNORECASE,
)
EXPONENTS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"}


def canonical(text: str) -> str:
    """The name of a unit in the table, or any other text in lower case.

    The case of symbols is considered first, so that mW and MW are two units. A single letter must
    have the right case: the M of 3M and the G of 5G are no units.
    """
    text = " ".join(text.split())
    for pattern, written in SPELLINGS:
        text = pattern.sub(written, text)
    return "/".join(_power(" ".join(unit.split())) for unit in text.split("/"))


def is_unit(name: str) -> bool:
    """Whether a canonical name is in the table, or composed of names in it."""
    return all(re.sub(r"\^[23]$", "", unit) in UNITS for unit in name.split("/"))


def agree(given: str, right: str, strict: bool) -> bool:
    """Whether two canonical units may be the same; ``""`` is none.

    A unit may be missing on one side, as the question mostly implies it; with ``strict``, only in
    the answer. A unit that isn't known can't be missing: "7 Eleven" is not 7.
    """
    if given == right:
        return True
    return (given == "" and is_unit(right)) or (right == "" and is_unit(given) and not strict)


def _power(text: str) -> str:
    """The name of a unit, or of its square or cube."""
    match = POWER.fullmatch(text)
    if match is None or text in _ALIASES:
        return _name(text)
    word = (match["word"] or match["behind"] or "").lower()
    exponent = match["digit"] or EXPONENTS.get(word, "")
    return f"{_name(match['base'])}^{exponent}" if exponent else _name(text)


def _name(text: str) -> str:
    if len(text) == 1 or text in _ALIASES:
        return _ALIASES.get(text, text)
    lower = text.casefold()
    singular = re.sub(r"(?<=[a-z])(?<!u)s\b", "", lower)  # the s of Celsius is no plural
    for name in (lower, singular):
        if len(found := _FOLDED.get(name, ())) == 1:
            return next(iter(found))
    return text if len(text) == 2 and lower[0] == "m" else lower  # mT and MT
