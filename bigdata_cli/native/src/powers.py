"""Writes the tables of powers.c: `python powers.py > powers.c`, in this folder."""

SMALLEST, LARGEST = -342, 324

HEAD = """\
/* Powers of ten and five for number.c and shortest.c. Written by powers.py, which a test compares
 * with this file.
 *
 * bd_fives: 5**q for q in [-342, 324] as significands of 128 bits, highest bit set, the high word
 * first; cut off where q >= 0, rounded up where q < 0, as Eisel and Lemire's method needs them. */

#include "number.h"
"""


def power_of_five(q: int) -> int:
    """The significand of 5**q: 128 bits."""
    if q >= 0:
        power = 5**q
        shift = power.bit_length() - 128
        return power >> shift if shift > 0 else power << -shift
    power = 5**-q
    significand = (1 << (power.bit_length() + 127)) // power + 1
    return significand >> (significand.bit_length() - 128)


def lines(items: list[str], per_line: int) -> str:
    """Items of an initialiser, so many on a line."""
    rows = [items[i : i + per_line] for i in range(0, len(items), per_line)]
    return "".join(f"    {', '.join(row)},\n" for row in rows)


def source() -> str:
    """The text of powers.c."""
    tens = [f"1e{i}" for i in range(61)]
    fives = []
    for q in range(SMALLEST, LARGEST + 1):
        power = power_of_five(q)
        fives.append(f"{{0x{power >> 64:016x}, 0x{power & (2**64 - 1):016x}}}")
    return (
        f"{HEAD}\n/* clang-format off */\n\n"
        f"const double bd_tens[{len(tens)}] = {{\n{lines(tens, 13)}}};\n\n"
        f"const uint64_t bd_fives[{len(fives)}][2] = {{\n{lines(fives, 2)}}};\n"
    )


if __name__ == "__main__":
    print(source(), end="")
