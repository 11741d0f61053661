"""Draws memory over time as SVG, one line for each process."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 260, 56, 36, 30, 12
COLOURS = {"worker": ["#1f77b4", "#6baed6"], "coordinator": ["#d95f02"]}
MEBIBYTE = 1 << 20
POINTS = 240


def thinned(samples):
    """At most so many points, each the greatest of its stretch of time."""
    if len(samples) <= POINTS:
        return samples
    end = samples[-1][0]
    stretches = {}
    for sample in samples:
        place = min(POINTS - 1, int(sample[0] / end * POINTS))
        if place not in stretches or sample[1] > stretches[place][1]:
            stretches[place] = sample
    return [stretches[place] for place in sorted(stretches)]


def svg(title, curves, limit_bytes):
    """`curves` are of (role, [(seconds, bytes, …)]); a dashed line stands at the limit."""
    end = max(samples[-1][0] for _, samples in curves) or 1
    top = max([limit_bytes, *(sample[1] for _, samples in curves for sample in samples)]) * 1.1

    def x(seconds):
        return LEFT + seconds / end * (WIDTH - LEFT - RIGHT)

    def y(size):
        return HEIGHT - BOTTOM - size / top * (HEIGHT - BOTTOM - TOP)

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{LEFT}" y="18">{title}: private memory in MiB over seconds</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        size = limit_bytes * share
        lines.append(line_across(y(size), share == 1))
        lines.append(f'<text x="{LEFT - 6}" y="{y(size) + 4:.1f}" text-anchor="end">'
                     f'{size / MEBIBYTE:.0f}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        lines.append(f'<text x="{x(end * share):.1f}" y="{HEIGHT - 14}" text-anchor="middle">'
                     f'{end * share:.0f}</text>')
    used = {}
    for role, samples in curves:
        colours = COLOURS[role]
        colour = colours[used.setdefault(role, 0) % len(colours)]
        used[role] += 1
        points = " ".join(f"{x(sample[0]):.1f},{y(sample[1]):.1f}" for sample in thinned(samples))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                     'stroke-width="1.5"/>')
    for place, (role, colours) in enumerate(COLOURS.items()):
        lines.append(f'<text x="{WIDTH - RIGHT - 90 * place}" y="18" text-anchor="end" '
                     f'fill="{colours[0]}">{role}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def line_across(height, is_limit):
    dashes = ' stroke-dasharray="4 3"' if is_limit else ""
    return (f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" '
            f'stroke="#888" stroke-width="0.5"{dashes}/>')
