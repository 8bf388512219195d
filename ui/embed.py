"""Writes the files named as C arrays: embed.py OUTPUT.c FILE..."""

import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def main():
    output, files = sys.argv[1], sys.argv[2:]
    lines = ["/* Made by ui/embed.py of the files in ui/. */", '#include "api/assets.h"', ""]
    for index, path in enumerate(files):
        with open(path, "rb") as file:
            data = file.read()
        lines.append(f"static const char file_{index}[] = {{")
        for start in range(0, len(data), 20):
            lines.append("    " + " ".join(f"{byte if byte < 128 else byte - 256}," for byte in data[start : start + 20]))
        lines.append("};")
    lines.append("const struct asset assets[] = {")
    for index, path in enumerate(files):
        name = os.path.basename(path)
        kind = TYPES[os.path.splitext(name)[1]]
        lines.append(f'    {{"{name}", "{kind}", {{file_{index}, sizeof(file_{index})}}}},')
    lines.append("};")
    lines.append(f"const size_t asset_count = {len(files)};")
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


main()
