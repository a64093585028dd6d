"""Units of measure that a bare number may leave out, each with the other ways it is written.

Nothing is converted: 5 m and 500 cm are the same length, but a question that asks for
centimetres has one right answer. A pound may be weight or money, so it stands for neither.
"""

from __future__ import annotations

import re

# The unit, then its other names. A plural s is dropped first, so only odd plurals stand here.
_TABLE = """
%     | percent | per cent | pct
°     | deg | degree
°C    | degree celsius | degree c | celsius
°F    | degree fahrenheit | degree f | fahrenheit
$     | dollar
€     | euro | eur
£     | gbp
¥     | yen
₹     | rupee
pound |
cent  |
mm    | millimeter | millimetre
cm    | centimeter | centimetre
m     | meter | metre
km    | kilometer | kilometre
in    | inch | inches
ft    | foot | feet
yd    | yard
mi    | mile
mm^2  | mm2 | square millimeter | square millimetre
cm^2  | cm2 | square centimeter | square centimetre | sq cm
m^2   | m2 | square meter | square metre | sq m
km^2  | km2 | square kilometer | square kilometre | sq km
ft^2  | ft2 | square foot | square feet | sq ft
cm^3  | cm3 | cubic centimeter | cubic centimetre
m^3   | m3 | cubic meter | cubic metre
ml    | milliliter | millilitre
l     | liter | litre
mg    | milligram
g     | gram
kg    | kilogram
t     | ton | tonne
oz    | ounce
lb    |
ms    | millisecond
s     | sec | second
min   | minute
h     | hr | hour
day   |
week  |
month |
year  |
km/h  | kph | kmh | kilometer per hour | kilometre per hour
mph   | mile per hour
m/s   | meter per second | metre per second
Hz    | hertz
mV    | millivolt
V     | volt
mA    | milliampere
A     | amp | ampere
mW    | milliwatt
W     | watt
kW    | kilowatt
MW    | megawatt
GW    | gigawatt
kWh   | kilowatt hour
KB    | kilobyte
MB    | megabyte
GB    | gigabyte
TB    | terabyte
"""
_ROWS = [[name.strip() for name in row.split("|")] for row in _TABLE.strip().splitlines()]
UNITS = {unit for unit, *_ in _ROWS}
# 7A may be a seat as well as a current, so a bare 7 would be a guess.
MAY_BE_LEFT_OUT = {unit for unit in UNITS if not (len(unit) == 1 and unit.isupper())}
_ALIASES = {alias: unit for unit, *aliases in _ROWS for alias in (unit, *aliases) if alias}


def canonical(text: str) -> str:
    """The table's name of a unit, and any other text as it is, but in lower case.

    Symbols go by their case first, so that mW and MW are two units, and one letter by its case
    alone: 3M and 5G measure nothing.
    """
    text = re.sub(r"\^\{(\d)\}", r"^\1", text.replace("²", "^2").replace("³", "^3"))
    text = " ".join(text.split())
    lower = text.casefold()
    if len(text) == 1:
        return text
    singular = re.sub(r"(?<=[a-z])(?<!u)s\b", "", lower)  # the s of Celsius is its own
    for name in (text, lower, singular):
        if name in _ALIASES:
            return _ALIASES[name]
    return lower
