"""Wrong answers that look right to a careless rule: none of them may be paid for."""

VALUES = [
    (r"1-\frac{364^{22}}{365^{23}}", r"1-\frac{364^{23}}{365^{23}}", "an exponent of the value"),
    (r"\frac{99^{40}}{100^{41}}", r"\frac{99^{41}}{100^{41}}", "one more factor below the line"),
    (r"10^{-60}\pi", r"10^{-60}\sqrt{2}", "both are small, and differ"),
    (r"10^{-20000}\pi", r"10^{-20000}\sqrt{2}", "both are very small, and differ"),
    (r"\sqrt{10^{100}+1}", "10^{50}", "the difference is small, not 0"),
    (r"\frac{1}{2^{200}}", r"\frac{1}{3^{200}}", "powers below the line"),
    ("1+10^{-60}", "1", "a small term is not none"),
    (r"\frac{\sqrt{2}}{10^{55}}", r"\frac{\sqrt{3}}{10^{55}}", "roots over a large number"),
    (r"\pi^{-150}", r"\pi^{-151}", "powers of pi"),
    ("e^{-200}", "e^{-201}", "powers of e"),
    (r"2^{-300}\sqrt{2}", "0", "small is not 0"),
    (r"\{10^{-70}\pi, 1\}", r"\{10^{-71}\pi, 1\}", "within a set"),
    (r"(1, 10^{-70}\pi)", r"(1, 10^{-71}\pi)", "within a point"),
    (r"(0, 10^{-55}\pi]", r"(0, 10^{-56}\pi]", "the end of an interval"),
    (r"x = 10^{-60}\sqrt{2}", r"x = 10^{-60}\sqrt{3}", "within an equation"),
    (r"x > 10^{-60}\pi", r"x > 10^{-61}\pi", "within an inequality"),
    (
        r"\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{15+2\sqrt{33}}",
        r"\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{16+2\sqrt{33}}",
        "roots within roots, which to simplify takes long",
    ),
    (r"\frac{1}{x} = 0", r"\sqrt{x} = -1", "two equations that nothing solves"),
]

LETTER_OR_ARTICLE = [
    ("A B", "B", "two letters"),
    ("A C", "B", "two letters, neither of which is right"),
    ("A D", "D", "two letters, the second is right"),
    ("a c", "C", "two letters in lower case"),
    ("A X", "X", "two letters, beyond those of choices"),
    ("A (B)", "(B)", "a letter and a marked one"),
    ("A Paris", "B. Paris", "the right text under another letter, unmarked"),
    ("A Paris", "B) Paris", "the same under another mark"),
    ("a paris", "B. Paris", "the same in lower case"),
    ("A dog", "B. dog", "the same where it could be an article"),
    ("A London", "London", "a letter before a name"),
    ("A 12", "12", "a letter before a number"),
    ("a 12", "12", "the same in lower case"),
    ("A 3.5", "3.5", "a letter before a decimal"),
    ("A -7", "-7", "a letter before a sign"),
    ("A $5", "$5", "a letter before money"),
    ("A 12 cm", "12 cm", "a letter before a length"),
    (r"A \frac{1}{2}", r"\frac{1}{2}", "a letter before a formula"),
    ("A 5:30", "5:30", "a letter before a time"),
    ("A B, C", "B, C", "a letter before a list"),
    ("B", "A B", "two letters in the truth"),
]

JOINED = [
    ("(123) 555-4567", "(555) 123-4567", "telephone numbers, the same as products"),
    ("(555)123-4567", "(123)555-4567", "the same without spaces"),
    ("+1 (212) 555-0100", "+1 (555) 212-0100", "with the country"),
    ("[212] 555-1100", "[555] 212-1100", "other brackets"),
    ("(12) 34", "(34) 12", "two numbers, one in brackets"),
    ("(3)(4)", "(4)(3)", "two numbers in brackets"),
    ("12(3)", "3(12)", "volume and number of a journal"),
    ("4(3)", "7", "a number in brackets is not added, though to math-verify it is"),
    ("3(4)", "12", "nor is it a factor"),
    ("(3-1)", "(4-2)", "scores in brackets"),
    ("2", "(3-1)", "a score in brackets is no difference"),
    ("(6/12)", "1/2", "a date in brackets"),
    ("60", "3×4×5", "a size in three dimensions"),
]

SUBSCRIPTS = [
    ("11_2", "11_3", "another base"),
    ("5_2", "5", "a base, or an index, and none"),
    ("101_2", "101_3", "another base"),
    ("101_2", "101", "a base, and none"),
    ("7", "7_{10}", "a base in the truth alone"),
    ("1011_{2}", "1011_{8}", "bases in braces"),
    ("(11)_2", "(11)_3", "the number in brackets"),
    ("x = 11_2", "x = 11_3", "within an equation"),
    ("11_2 + 1", "11_3 + 1", "within a sum"),
    ("3^{2}_{1}", "9", "on a power"),
    ("x_1", "x_2", "names"),
    ("a_1 + 1", "a_2 + 1", "names within a sum"),
    ("x_1 = 3", "x_2 = 3", "names of the same value"),
]

CODES = [
    ("2134", "02134", "a postal code begins with its 0"),
    ("7", "007", "a code of the truth"),
    ("0012", "12", "a code of the answer"),
    ("05", "5", "one 0 is enough"),
    ("00", "0", "two are not one"),
    ("x = 007", "x = 7", "within an equation"),
    ("2", "10/5", "a score is no quotient"),
    ("9/3", "3", "nor is it one in the answer"),
    ("0.5", "5/10", "a score that is no whole number"),
    (r"\frac{1}{2}", "6/12", "a date is no fraction"),
    ("1", "7/7", "all of seven is not one"),
    ("1/2", "01/02", "dates in two ways"),
    ("10 6/12", "10.5", "a date behind a number"),
    ("2 5/4", "3.25", "no mixed number is written so"),
    ("2 1/2", "21/2", "a mixed number has a blank"),
    ("init", "__init__", "a name in a programming language"),
    ("0.333...", "0.333", "a decimal that goes on"),
    ("1, 2, 3, ...", "1, 2, 3", "a sequence that goes on"),
    ("1960", "1960s", "a decade is no year"),
    ("5", "5!", "a factorial"),
]

UNITS = [
    ("5 mW", "5 MW", "the case of a symbol, the number written alike"),
    ("5 Mb", "5 MB", "bits and bytes"),
    ("5 mA", "5 MA", "a prefix of a unit whose symbol is a capital"),
    ("5 mPa", "5 MPa", "a prefix of pressure"),
    ("5 mT", "5 MT", "a prefix of a unit that is not in the table"),
    ("5 nm", "5 Nm", "a length and a torque"),
    ("$5/kg", "$5", "a price by weight is no price"),
    ("60 m/h", "60 mph", "metres and miles"),
    ("5 M", "5 m", "millions and metres"),
    ("5 m", "5 cm", "another length"),
    ("1000 m", "1 km", "nothing is converted"),
    ("$5", "5%", "money and share"),
    ("5°", "5%", "angle and share"),
    ("25 ℃", "25 ℉", "scales as one character"),
    (r"25^\circ\text{C}", "25 °F", "scales in LaTeX"),
    ("60 km/h", "60 mph", "another speed"),
    ("60 km/h", "60 km", "a speed is no length"),
    ("5 m/s", "5 m/s^2", "an acceleration is no speed"),
    ("5 cm²", "5 cm", "an area is no length"),
    ("5 dollars", "5 cents", "other coins"),
    ("€5", "5 dollars", "another currency"),
    ("$5m", "$5", "millions"),
    ("5%", "0.05", "a share is not converted"),
    ("0.5", "50 percent", "nor in the other direction"),
    ("1/3 meters", "1/3 feet", "a fraction of another unit"),
    (r"\frac{1}{3}\text{ m}", r"\frac{1}{3}\text{ cm}", "the same in LaTeX"),
    (r"2\sqrt{3}\text{ cm}", r"2\sqrt{3}\text{ m}", "a root of another unit"),
    ("3 apples", "3 pears", "other things"),
]

HEDGES = [
    ("**7** or **3**", "7", "two in bold"),
    ("**7** **3**", "7", "two in bold, side by side"),
    ("**7**3", "73", "bold within a number: one may be crossed out, or an exponent"),
    ("7**3", "7", "a power in a programming language"),
    ("2**3**4", "234", "two powers are no bold digit"),
    ("~~7~~", "7", "struck out"),
    ('"7" or "3"', "7", "two in quotes"),
    ("“red” “blue”", "red", "two in curved quotes"),
    ("'7' and '3'", "7", "two in single quotes"),
    ("`7` `3`", "7", "two as code"),
    ("__7__ or __3__", "7", "two in the other bold"),
    ("**not** red", "red", "bold makes the contrary no less contrary"),
    (r"\textbf{B} or \textbf{C}", "B", "two letters in bold"),
    ("$7$ or $8$", "7", "two formulas"),
    ("$7$ $8$", "78", "two formulas, side by side"),
    (r"\textbf{B}\textbf{C}", "B", "two letters in bold, side by side"),
    ("forty two or forty three", "42", "two numbers in words"),
    ("2:30 p.m. or 3:30 p.m.", "2:30pm", "two times"),
]

CHARACTERS = [
    ("10²", "102", "a superscript is no digit"),
    ("½", "12", "nor is a fraction"),
    ("１３", "12", "full-width, and wrong"),
    ("５０％", "0.5", "full-width, and not converted"),
    ("Cafe", "Café", "an accent"),
    ("蓝色。", "红色", "another word, with its full stop"),
    ("红色。蓝色。", "红色", "two sentences"),
    ("红色、蓝色", "红色", "two words"),
]

LATEX = [
    (r"1,\!00", "100", "groups of two digits"),
    (r"14{,}91", "1491", "the same in braces"),
    (r"\$16,\!386.20", "16386.02", "another amount"),
    (r"\cfrac{1}{3}", r"\cfrac{3}{1}", "upside down"),
    (r"x \neq 3", "x = 3", "the contrary"),
    (r"x \neq 3", "3", "what it is not"),
    (r"x \neq 3", r"x \neq 4", "another value"),
    (r"x \in [-2,7)", r"x \in [-2,7]", "an end that is open"),
    (r"y \in [-2,7]", r"x \in [-2,7]", "another name"),
    (r"x \notin [-2,7]", "[-2,7]", "all that is outside"),
    ("(y,x) = (2,1)", "(x,y) = (2,1)", "the names of a point in another order"),
    ("f(x) = 2x", "g(x) = 2x", "another function"),
    ("(x,y) = (2,1)", "(1,2)", "another point"),
    (r"\{-2,7\}", r"x \in [-2,7]", "a set of two"),
    ("(-2,7)", r"x \in [-2,7]", "both ends are open"),
]

TIMES_AND_WORDS = [
    ("2:30 am", "2:30 pm", "the other half of the day"),
    ("2:03 pm", "2:30 pm", "other minutes"),
    ("12:30 p.m.", "2:30 pm", "another hour"),
    ("14:30", "2:30 pm", "nothing is converted"),
    ("twelve", "20", "another number"),
    ("twenty-one", "20", "the tens alone"),
    ("twenty one", "201", "digits side by side"),
    ("one hundred", "1", "the first word alone"),
    ("one hundred and five", "100", "the hundreds alone"),
    ("seven eleven", "18", "two numbers are not added"),
    ("two three", "23", "nor put side by side"),
    ("two three", "2", "nor is the first of them taken"),
    ("twenty and one", "21", "a list of two"),
    ("twenty-first", "20", "a date"),
    ("one thousand five", "1000", "the thousands alone"),
]

TRAPS = (
    VALUES
    + LETTER_OR_ARTICLE
    + JOINED
    + SUBSCRIPTS
    + CODES
    + UNITS
    + HEDGES
    + CHARACTERS
    + LATEX
    + TIMES_AND_WORDS
)
