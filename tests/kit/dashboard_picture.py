"""Draws a dashboard as SVG, for light and dark ground: its rows, its panels, the lines that Prometheus answered with.

Invariant: what is drawn is what was answered: (time, value) pairs of each line, no smoothing, a gap where there was no
value; a panel without an answer cannot be drawn.
"""

from html import escape

from kit import Failed

WIDTH, COLUMNS, GAP = 910, 3, 14
ROW, PANEL, TITLE, LEGEND = 30, 142, 20, 34
AXIS = 48  # left of the lines, for the numbers
LIGHT = ["#0969da", "#1a7f37", "#9a6700", "#cf222e", "#8250df", "#57606a"]
DARK = ["#79c0ff", "#56d364", "#e3b341", "#ff7b72", "#d2a8ff", "#8b949e"]
STYLE = """\
    svg { color: #1f2328; font: 12px ui-sans-serif, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
    text { fill: currentColor; }
    .row { font-size: 14px; font-weight: 600; }
    .title { font-weight: 600; }
    .small { font-size: 10px; }
    .end { text-anchor: end; }
    .box { fill: none; stroke: currentColor; stroke-opacity: .3; }
    .grid { stroke: currentColor; stroke-opacity: .15; }
    .line { fill: none; stroke-width: 1.4; stroke-linejoin: round; }"""


def picture(dashboard, answers, step, said):
    """`answers`: {id of a panel: [(name, [(time, value), …]), …]}, a value each `step` seconds where there is one;
    `said` tells where the data come from."""
    begin = min(line[0][0] for lines in answers.values() for _, line in lines)
    end = max(line[-1][0] for lines in answers.values() for _, line in lines)
    drawn, y = [], GAP
    for title, panels in rows(dashboard):
        drawn.append(f'  <text class="row" x="{GAP}" y="{y + 18}">{escape(title)}</text>')
        y += ROW
        width = (WIDTH - GAP * (COLUMNS + 1)) / COLUMNS
        for at, panel in enumerate(panels):
            x, top = GAP + at % COLUMNS * (width + GAP), y + at // COLUMNS * (PANEL + GAP)
            drawn += one(panel, answers[panel["id"]], (x, top, width), (begin, end, step))
        y += -(-len(panels) // COLUMNS) * (PANEL + GAP)
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"  <title>{escape(dashboard['title'])}</title>", f"  <desc>{escape(said)}</desc>", "  <style>", STYLE]
    head += [f"    .c{n} {{ stroke: {colour}; }}\n    .t{n} {{ fill: {colour}; }}" for n, colour in enumerate(LIGHT)]
    head += ["    @media (prefers-color-scheme: dark) {", "      svg { color: #d8dee4; }"]
    head += [f"      .c{n} {{ stroke: {colour}; }}\n      .t{n} {{ fill: {colour}; }}" for n, colour in enumerate(DARK)]
    return "\n".join([*head, "    }", "  </style>", *drawn, "</svg>", ""])


def rows(dashboard):
    """(title, its panels) of each row."""
    found = []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            found.append((panel["title"], []))
        else:
            found[-1][1].append(panel)
    return found


def one(panel, lines, place, times):
    """A panel: box, title, two numbers at the side, its lines, their names."""
    if not lines:
        raise Failed(f"the panel “{panel['title']}” has nothing to draw")
    x, y, width = place
    unit = panel["fieldConfig"]["defaults"]["unit"]
    most = max(value for _, line in lines for _, value in line) or 1
    left, right, top, bottom = x + AXIS, x + width - 8, y + TITLE + 8, y + PANEL - LEGEND
    drawn = [f'  <rect class="box" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{PANEL}" rx="4"/>',
             f'  <text class="title" x="{x + 8:.1f}" y="{y + 16}">{escape(panel["title"])}</text>']
    for value, at in ((most, top), (0, bottom)):
        drawn += [f'  <path class="grid" d="M{left:.1f} {at} H{right:.1f}"/>',
                  f'  <text class="small end" x="{left - 4:.1f}" y="{at + 3}">{number(value, unit)}</text>']
    begin, end, step = times
    for at, (_, line) in enumerate(lines):
        path = ""
        for nth, (time, value) in enumerate(line):
            goes_on = nth and time - line[nth - 1][0] < 1.5 * step
            point = (f"{left + (time - begin) / (end - begin or 1) * (right - left):.1f} "
                     f"{bottom - value / most * (bottom - top):.1f}")
            # It begins with a line of no length, so that a single point is seen, by its round ends.
            path += f"L{point}" if goes_on else f"M{point}L{point}"
        drawn.append(f'  <path class="line c{at % len(LIGHT)}" stroke-linecap="round" d="{path}"/>')
    return drawn + legend([name for name, _ in lines], x + 8, bottom + 16, width - 16)


def legend(names, x, y, width):
    """The names in up to two lines, each in the colour of its line; … for those that have no place."""
    drawn, at, row = [], 0.0, 0
    most = int(width / 6) - 2
    for nth, name in enumerate(name if len(name) <= most else f"{name[:most - 1]}…" for name in names):
        wide = 6.0 * len(name) + 12  # a guess at the width of small letters
        if at and at + wide > width - (16 if row else 0):
            at, row = 0.0, row + 1
        if row > 1:
            return [*drawn, f'  <text class="small" x="{x + width - 10:.1f}" y="{y + 12}">…</text>']
        colour = nth % len(LIGHT)
        drawn.append(f'  <text class="small t{colour}" x="{x + at:.1f}" y="{y + 12 * row}">{escape(name)}</text>')
        at += wide
    return drawn


def number(value, unit):
    """Short, as at an axis."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    ending = " s" if unit == "s" else ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}{ending}"
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g}{ending}"
