"""Draws what the processes of a soak took over time as SVG."""

from picture import Picture, round_top, thinned

COLOURS = {"worker": ["#1f77b4", "#6baed6", "#9ecae1"], "coordinator": ["#d95f02"],
           "journal": ["#d95f02"], "log": ["#fdae6b"], "spool": ["#6baed6"], "models": ["#2ca02c"]}
MEBIBYTE = 1 << 20
POINTS = 480
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


def svg(title, curves, record):
    """`curves` are of (role, number, [(seconds, value)]); each life of a process is one."""
    curves = [curve for curve in curves if curve[2]]
    end = max([record["end"], *(points[-1][0] for _, _, points in curves)])
    top = round_top(max([1, *(value for _, _, points in curves for _, value in points)]))
    picture = Picture(f"Soak: {title} over minutes", end, top)
    picture.upright(record["secondHalf"])
    for share in (0, 0.25, 0.5, 0.75, 1):
        picture.across(top * share, f"{top * share:g}")
        picture.below_axis(end * share, f"{end * share / 60:.3g}")
    for role, number, points in curves:
        colour = COLOURS[role][number % len(COLOURS[role])]
        picture.curve(thinned(points, end, POINTS), colour)
    roles = [role for role in COLOURS if any(curve[0] == role for curve in curves)]
    picture.legend([(role, COLOURS[role][0]) for role in reversed(roles)], 18)
    return picture.svg()
