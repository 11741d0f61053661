"""Turns the figures of the kernel benchmark into Markdown."""

from cases import CASES, NAMES

HEADING = """# Kernels

Made by `bench/kernels/run --publish`, in one run, with nothing else on the machine; `README.md`
says what each column is and how peers are called. All engines have one thread on one pinned core.

"""


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def figure(value, digits=3):
    """A number with so many digits that count, without an exponent."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def rate(rows_per_second):
    if rows_per_second >= 1e6:
        return f"{figure(rows_per_second / 1e6)} M"
    return f"{figure(rows_per_second / 1e3)} k" if rows_per_second >= 1e3 \
        else figure(rows_per_second)


def engine_name(engine, measured):
    version = measured.get("version", "")
    detail = measured.get("kernel") or (measured["form"] if measured.get("form", "only") != "only"
                                        else "")
    return f"{NAMES[engine]} {version}".strip() + (f" ({detail})" if detail else "")


def ratio(case_results, engine):
    """How many times the time of Nightshift's exact mode an engine takes, or None."""
    engines = case_results["engines"]
    if "nightshift" not in engines or engine not in engines:
        return None
    return engines[engine]["median"] / engines["nightshift"]["median"]


def engine_rows(name, results):
    case, rows = CASES[name], []
    for engine in case.engines:
        measured = results["engines"].get(engine)
        if measured is None:
            reason = results["absent"].get(engine)
            if reason:
                rows.append(empty_row(case, engine, f"absent: {reason}"))
            continue
        times = ratio(results, engine)
        median, low, high = measured["median"], min(measured["each"]), max(measured["each"])
        relative = "–" if times is None else f"×{figure(times)}"
        if case.task == "load":
            cells = [f"{figure(median / 1e6)} ms", "", "", relative,
                     f"{figure(low / 1e6)}…{figure(high / 1e6)} ms", ""]
        else:
            per_tree = figure(median / case.trees) if case.trees else ""
            cells = [figure(median), per_tree, rate(1e9 / median), relative,
                     f"{figure(low)}…{figure(high)}", f"{measured['rows']:,}"]
        rows.append([case.title, engine_name(engine, measured), *cells,
                     measured.get("agreement", "")])
    rows += [empty_row(case, engine, f"left out: {reason}")
             for engine, reason in case.left_out.items()]
    return title_once(rows)


def empty_row(case, engine, reason):
    return [case.title, NAMES[engine], "", "", "", "", "", "", reason]


def title_once(rows):
    """Rows of one case, whose title stands in the first alone."""
    return rows[:1] + [["", *row[1:]] for row in rows[1:]]


def goal_row(case, goal, results, peak):
    """What is asked for, what was measured, and whether it is enough."""
    engines = results["engines"]
    ours = engines.get("nightshift")
    wanted = {
        "rowsPerSecond": f"{rate(goal.value)} rows/s",
        "against": f"×{goal.value:g} {NAMES.get(goal.engine, '')}",
        "againstBest": f"×{goal.value:g} the best peer",
        "shareOfPeak": f"{goal.value:.0%} of the core's peak",
        "milliseconds": f"{goal.value:g} ms",
    }[goal.kind]
    if ours is None:
        return [case.title, wanted, "not measured", ""]
    if goal.kind == "rowsPerSecond":
        value = 1e9 / ours["median"]
        return [case.title, wanted, f"{rate(value)} rows/s", verdict(value >= goal.value)]
    if goal.kind == "milliseconds":
        value = ours["median"] / 1e6
        return [case.title, wanted, f"{figure(value)} ms", verdict(value <= goal.value)]
    if goal.kind == "shareOfPeak":
        gigaflops = case.operations / ours["median"]
        share = gigaflops / peak["gflops"]
        return [case.title, wanted, f"{figure(gigaflops)} of {figure(peak['gflops'])} GFLOP/s "
                f"({peak['source']}): {share:.0%}", verdict(share >= goal.value)]
    rivals = [goal.engine] if goal.kind == "against" else [
        engine for engine in case.engines if not engine.startswith("nightshift")]
    times = [(ratio(results, engine), engine) for engine in rivals if engine in engines]
    if not times:
        return [case.title, wanted, "the peer is absent", ""]
    value, rival = min(times)
    name = f" {NAMES[rival]}" if goal.kind == "againstBest" else ""
    return [case.title, wanted, f"×{figure(value)}{name}", verdict(value >= goal.value)]


def verdict(is_met):
    return "yes" if is_met else "**no**"


def two_cores_row(case, results):
    two = results.get("twoCores")
    if two is None:
        return []
    factor = two["factor"]
    return [[case.title, "two cores: ×1.95", f"×{factor:.3g}", verdict(factor >= 1.95)]]


def machine_line(results):
    about = results["machine"]
    return (f"{about['date']}, commit {about['commit']}, {about['processor']}, {about['cores']} "
            f"cores, L2 {about['cacheL2']}, L3 {about['cacheL3']}, {about['memoryGiB']} GiB, Linux "
            f"{about['kernel']}, load at start {about['loadAtStart']:.2f}; median of "
            f"{results['runs']} runs, engines in turn")


def markdown(results):
    text = [machine_line(results), ""]
    if results["scale"] != 1:
        text += [f"**A trial with {results['scale']:g} of the rows: not for publication.**", ""]
    rows = [row for name, case in results["cases"].items() for row in engine_rows(name, case)]
    text += [table(["case", "engine", "ns/row", "ns/tree-row", "rows/s", "time against Nightshift",
                    "ns/row, least…most", "rows", "answers"], rows), ""]
    peak = results.get("peak")
    goals = []
    for name, found in results["cases"].items():
        rows = [goal_row(CASES[name], goal, found, peak) for goal in CASES[name].goals]
        goals += title_once(rows + two_cores_row(CASES[name], found))
    text.append(table(["case", "goal", "measured", "met"], goals))
    return "\n".join(text) + "\n"
