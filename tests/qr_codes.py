"""A QR code read by zbar, however it was drawn."""

from __future__ import annotations

import re
import subprocess
import tempfile
from xml.etree import ElementTree as ET


def decoded(image):
    """Return what zbar reads in a picture: bytes of any format that it knows."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(image)
        file.flush()
        done = subprocess.run(["zbarimg", "-q", "--raw", file.name], capture_output=True, check=True)
    return done.stdout.decode().rstrip("\n")


def picture(rows):
    """Return rows of modules, True where dark, as a portable graymap of 6 pixels each."""
    wide = [[value for value in row for _ in range(6)] for row in rows for _ in range(6)]
    head = f"P5 {len(wide[0])} {len(wide)} 255\n".encode()
    return head + b"".join(bytes(0 if dark else 255 for dark in row) for row in wide)


def of_svg(data):
    """Return the modules that the path of an SVG by segno draws: it moves by m and M, and draws by h."""
    root = ET.fromstring(data)
    name = "{http://www.w3.org/2000/svg}"
    (path,) = (path for path in root.iter(f"{name}path") if path.get("stroke") == "#000")
    size = int(root.get("viewBox").split()[-1])
    rows = [[False] * size for _ in range(size)]
    x = y = 0.0
    for move, numbers in re.findall(r"([Mmh])([-\d. ]+)", path.get("d")):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if move == "h":
            for column in range(int(x), int(x + values[0])):
                rows[int(y)][column] = True
            x += values[0]
        else:
            x, y = (values[0], values[1]) if move == "M" else (x + values[0], y + values[1])
    return rows


def of_terminal(text):
    """Return the modules of a code that was drawn in half blocks, which are light, and blanks, which are dark."""
    halves = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}
    rows = []
    for line in text.splitlines():
        if line and set(line) <= set(halves):
            rows += [[halves[character][half] for character in line] for half in (0, 1)]
    return rows
