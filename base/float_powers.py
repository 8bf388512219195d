"""Writes the powers of ten that base/float_digits.c needs: float_powers.py OUTPUT.c

10^k for k from -292 to 324 as the first 128 bits of its binary digits, rounded up.
"""

import sys

FIRST, LAST = -292, 324


def significand(power):
    """The smallest g in [2^127, 2^128] with g * 2^e >= 10^power for a whole e."""
    numerator, denominator = (10**power, 1) if power >= 0 else (1, 10**-power)
    shift = 128 - (numerator.bit_length() - denominator.bit_length())
    for by in (shift - 1, shift, shift + 1):
        scaled = numerator << max(by, 0)
        divisor = denominator << max(-by, 0)
        if 1 << 127 <= scaled // divisor < 1 << 128:
            return -(-scaled // divisor)
    raise AssertionError(power)


def main():
    lines = ['/* Made by base/float_powers.py. */', '#include "base/float_digits.h"', "",
             "const uint64_t float_powers[FLOAT_POWER_LAST - FLOAT_POWER_FIRST + 1][2] = {"]
    for power in range(FIRST, LAST + 1):
        g = significand(power)
        lines.append(f"    {{{g >> 64:#018x}u, {g & (1 << 64) - 1:#018x}u}},")
    lines.append("};")
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


main()
