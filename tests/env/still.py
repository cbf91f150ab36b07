#!/usr/bin/env python3
"""A still of the demo's terminal: runs the demo in a terminal of its own and draws some of its steps as SVG.

    still.py                 run the demo (on servers of its own), write docs/drawings/demo.svg
    still.py --keep FILE     keep what the terminal got, too
    still.py --from FILE     draw what was kept, and run nothing
    still.py --steps 3,10.2  choose the steps; 10.2 is the second command of step 10

The program must be built: LOGINETL_BIN, else target/debug/loginetl.

Invariant: what is drawn is what a real run has printed, cut where it is too long; nothing is made up.
"""

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/drawings/demo.svg"
COLUMNS, MOST_LINES = 118, 14  # of a step; a still shows a beginning
CHARACTER, LINE, MARGIN = 7.25, 17, 18
CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r\n|[\r\n]")
STEP = re.compile(r"(\d+)\. ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="kept", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--steps", default="3,5,9.2,10.2")
    arguments = parser.parse_args()
    printed = arguments.kept.read_bytes() if arguments.kept else run()
    if arguments.keep:
        arguments.keep.write_bytes(printed)
    steps = steps_of(screen(printed.decode("utf-8", "replace")))
    lines = []
    for wanted in arguments.steps.split(","):
        number, _, command = wanted.partition(".")
        if int(number) not in steps:
            sys.exit(f"error: the demo has no step {number}; see --steps")
        lines += ([[]] if lines else []) + shortened(steps[int(number)], int(command or 1))
    PICTURE.write_text(drawing(lines), encoding="utf-8")


def run():
    """What the demo writes into a terminal of this width."""
    program = os.environ.get("LOGINETL_BIN", str(ROOT / "target/debug/loginetl"))
    command = [sys.executable, str(ROOT / "tests/env/servers.py"), "run", "--", str(ROOT / "tests/env/demo.sh")]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"LOGINETL_BIN": program}
        os.execvpe(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    printed = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        printed += piece
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.stderr.buffer.write(printed[-2000:])
        sys.exit("error: the demo did not end well; nothing was drawn")
    return printed


def screen(text):
    """The lines as they stand in the end, each a list of (character, style)."""
    lines, row, column, style, at = [[]], 0, 0, "", 0

    def put(characters):
        nonlocal column
        for character in characters:
            line = lines[row]
            line.extend([(" ", "")] * (column - len(line)))
            line[column:column + 1] = [(character, style)]
            column += 1

    for control in CONTROL.finditer(text):
        put(text[at:control.start()])
        at = control.end()
        what, letter = control.group(1), control.group(2)
        if letter is None:
            column = 0
            if "\n" in control.group(0):
                row += 1
        elif letter == "A":
            row = max(0, row - int(what or 1))
        elif letter == "B":
            row += int(what or 1)
        elif letter == "K":
            lines[row] = [] if what == "2" else lines[row][:column]
        elif letter == "m":
            style = {"1": "bold", "2": "dim"}.get(what, "")
        while row >= len(lines):
            lines.append([])
    put(text[at:])
    return lines


def text_of(line):
    return "".join(character for character, _ in line).rstrip()


def steps_of(lines):
    """The lines of each step, by its number."""
    steps, number = {}, None
    for line in lines:
        found = STEP.match(text_of(line))
        if found and line[0][1] == "bold":
            number = int(found.group(1))
        if number is not None:
            steps.setdefault(number, []).append(line)
    return steps


def shortened(lines, command):
    """The headline of a step, and what its first, second, … command has printed, cut where it is long."""
    starts = [at for at in range(1, len(lines)) if lines[at] and lines[at][0][1] == "dim" and not text_of(lines[at - 1])]
    if command > len(starts):
        sys.exit(f"error: {text_of(lines[0])!r} has {len(starts)} commands; see --steps")
    begin = starts[command - 1]
    end = min((starts + [len(lines)])[command], begin + MOST_LINES)
    cut = lines[:1] + [[]] + lines[begin:end]
    while not text_of(cut[-1]):
        cut.pop()
    return cut


def runs(line):
    """(text, style) of pieces of one style, cut to the width of the picture."""
    if len(line) > COLUMNS and len(text_of(line)) > COLUMNS:
        line = line[:COLUMNS - 1] + [("…", "")]
    pieces = []
    for character, style in line:
        if pieces and pieces[-1][1] == style:
            pieces[-1][0] += character
        else:
            pieces.append([character, style])
    return pieces


def drawing(lines):
    width, height = round(COLUMNS * CHARACTER + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        "  <title>The demo in a terminal</title>",
        "  <desc>Made by tests/env/still.py from a run of make demo.</desc>",
        "  <style>",
        '    text { fill: #d8dee4; font: 12px ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre; }',
        "    .bold { fill: #ffffff; font-weight: 700; }",
        "    .dim { fill: #8bc5ff; }",
        "  </style>",
        f'  <rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#6e7781"/>',
    ]
    for number, line in enumerate(lines):
        x, y = MARGIN, MARGIN + (number + 0.75) * LINE
        for text, style in runs(line):
            if text.strip():
                lead = len(text) - len(text.lstrip())
                at, kept = x + lead * CHARACTER, text.strip()
                kind = f' class="{style}"' if style else ""
                length = len(kept) * CHARACTER
                drawn.append(
                    f'  <text x="{at:.4g}" y="{y:g}" textLength="{length:.5g}" lengthAdjust="spacingAndGlyphs"{kind}>'
                    f'{escape(kept).replace("  ", " &#160;")}</text>')
            x += len(text) * CHARACTER
    return "\n".join(drawn + ["</svg>", ""])


if __name__ == "__main__":
    main()
