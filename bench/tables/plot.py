"""Draws memory over time as SVG, one line for each process."""

from picture import Picture, thinned

COLOURS = {"worker": ["#1f77b4", "#6baed6"], "coordinator": ["#d95f02"]}
MEBIBYTE = 1 << 20
POINTS = 240


def svg(title, curves, limit_bytes):
    """`curves` are of (role, [(seconds, bytes, …)]); a dashed line stands at the limit."""
    end = max(samples[-1][0] for _, samples in curves) or 1
    top = max([limit_bytes, *(sample[1] for _, samples in curves for sample in samples)]) * 1.1
    picture = Picture(f"{title}: private memory in MiB over seconds", end, top)
    for share in (0, 0.25, 0.5, 0.75, 1):
        size = limit_bytes * share
        picture.across(size, f"{size / MEBIBYTE:.0f}", is_dashed=share == 1)
        picture.below_axis(end * share, f"{end * share:.0f}")
    used = {}
    for role, samples in curves:
        number = used[role] = used.get(role, -1) + 1
        colour = COLOURS[role][number % len(COLOURS[role])]
        picture.curve(
            thinned([sample[:2] for sample in samples], end, POINTS), colour, stroke=1.5)
    picture.legend([(role, colours[0]) for role, colours in reversed(COLOURS.items())], 18)
    return picture.svg()
