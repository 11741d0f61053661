"""Draws what the processes of a soak took over time as SVG."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 260, 56, 36, 30, 12
COLOURS = {"worker": ["#1f77b4", "#6baed6", "#9ecae1"], "coordinator": ["#d95f02"],
           "journal": ["#d95f02"], "log": ["#fdae6b"], "spool": ["#6baed6"], "models": ["#2ca02c"]}
MEBIBYTE = 1 << 20
# Pictures by name: title, key of the samples, divisor.
FIGURES = {
    "memory": ("private memory in MiB", "privateBytes", MEBIBYTE),
    "descriptors": ("descriptors", "descriptors", 1),
    "threads": ("threads", "threads", 1),
}


def pictures(record):
    """SVG texts by file name."""
    found = {}
    for name, (title, key, divisor) in FIGURES.items():
        curves = [(process["role"], process["number"],
                   [(sample["seconds"], sample[key] / divisor) for sample in life])
                  for process in record["processes"] for life in process["lives"]]
        found[f"curve-soak-{name}.svg"] = svg(title, curves, record)
    curves = [(kind, 0, [(sample["seconds"], sample[kind] / MEBIBYTE)
                         for sample in record["state"]])
              for kind in ("journal", "log", "spool", "models")]
    found["curve-soak-state.svg"] = svg("state folder in MiB", curves, record)
    return found


def round_top(value):
    """The next number of the kind 1, 2, 4, 5, 8 × 10ⁿ, so that quarters of it are short."""
    power = 1
    while power * 10 < value:
        power *= 10
    return next((power * step for step in (1, 2, 4, 8) if power * step >= value), power * 10)


def svg(title, curves, record):
    """`curves` are of (role, number, [(seconds, value)]); each life of a process is one."""
    curves = [curve for curve in curves if curve[2]]
    end = max([record["end"], *(points[-1][0] for _, _, points in curves)])
    top = round_top(max([1, *(value for _, _, points in curves for _, value in points)]))

    def x(seconds):
        return LEFT + seconds / end * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    half = x(record["secondHalf"])
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{LEFT}" y="18">Soak: {title} over minutes</text>',
             f'<line x1="{half:.1f}" x2="{half:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
             'stroke="#888" stroke-width="0.5" stroke-dasharray="4 3"/>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        height = y(top * share)
        lines += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" '
                  'stroke="#888" stroke-width="0.5"/>',
                  f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">'
                  f'{top * share:g}</text>',
                  f'<text x="{x(end * share):.1f}" y="{HEIGHT - 14}" text-anchor="middle">'
                  f'{end * share / 60:.3g}</text>']
    for role, number, points in curves:
        line = " ".join(
            f"{x(seconds):.1f},{y(value):.1f}" for seconds, value in thinned(points, end))
        colour = COLOURS[role][number % len(COLOURS[role])]
        lines.append(f'<polyline points="{line}" fill="none" stroke="{colour}" '
                     'stroke-width="1.2"/>')
    roles = [role for role in COLOURS if any(curve[0] == role for curve in curves)]
    lines += [f'<text x="{WIDTH - RIGHT - 90 * place}" y="18" text-anchor="end" '
              f'fill="{COLOURS[role][0]}">{role}</text>' for place, role in enumerate(roles)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def thinned(points, end):
    """At most so many points over the whole width, each the greatest of its stretch."""
    stretches = {}
    for point in points:
        place = int(point[0] / end * 480)
        if place not in stretches or point[1] > stretches[place][1]:
            stretches[place] = point
    return [stretches[place] for place in sorted(stretches)]
