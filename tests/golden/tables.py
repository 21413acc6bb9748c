"""Prints tests/golden/tables.h: a table as text, and what pandas reads from it, for tests/files/csv.c.

    pip install pandas; python tests/golden/tables.py > tests/golden/tables.h

Made with pandas 3.1.1.
"""

import io

import numpy as np
import pandas as pd

MISSING = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
           "NA", "NULL", "NaN", "None", "n/a", "nan", "null", '""', '"NA"']
NUMBERS = ["0", "-0", "+1", "1.5", "-.5", "5.", "1e3", "1E-3", "1e+22", "1e23", "123456789012345678901234567890", "0.1",
           "0.30000000000000004", "2.2250738585072011e-308", "4.9e-324", "1e-400", "1.7976931348623157e308",
           "9007199254740993", "9007199254740992.99999", "18446744073709551616", "3.141592653589793238462643",
           "5e-324", "inf", "-inf", "Infinity", "-infinity", "00012", " 7", "7 ", '"8"', '" 9 "', "1.0000000000000000000001",
           "0.000000000000000000000000000123456789"]


def number(x):
    """A double as C spells it."""
    if x != x:
        return "NAN"
    if x in (float("inf"), float("-inf")):
        return "INFINITY" if x > 0 else "-INFINITY"
    return x.hex()


rows = [[f, NUMBERS[(i * 7) % len(NUMBERS)], f'"label ""{i % 3}"", yes"'] for i, f in enumerate(NUMBERS + MISSING)]
text = '"a,b",c,label\r\n' + "".join(",".join(row) + ("\r\n" if i % 2 else "\n") for i, row in enumerate(rows))
text = text.rstrip("\r\n")
table = pd.read_csv(io.StringIO(text, newline=""), dtype={"a,b": float, "c": float})
labels = table["label"].astype("category")

print("/* Written by tests/golden/tables.py with pandas 3.1.1: do not edit. */")
print("#ifndef REEL_GOLDEN_TABLES_H\n#define REEL_GOLDEN_TABLES_H\n\n#include <math.h>\n\n/* clang-format off */\n")
print("static const char csv_text[] =")
for line in text.splitlines(keepends=True):
    print('    "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"')
print("    ;\n\nenum { CSV_ROWS = %d, CSV_LABELS = %d };\n" % (len(table), len(labels.cat.categories)))
values = np.asarray(table[["a,b", "c"]])
print("static const double csv_values[CSV_ROWS][2] = {")
for row in values:
    print("    {" + ", ".join(number(float(x)) for x in row) + "},")
print("};\n\nstatic const int csv_ids[CSV_ROWS] = {" + ", ".join(map(str, labels.cat.codes)) + "};")
print("static const char *const csv_labels[CSV_LABELS] = {")
for label in labels.cat.categories:
    print('    "' + label.replace('"', '\\"') + '",')
print("};\n\n#endif")
