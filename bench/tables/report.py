"""Turns the figures of bench/tables into Markdown."""

from cases import CASES, NAMES, Lasting, Reading, Scoring

HEADING = """# Tables

Made by `bench/tables/run --publish` with nothing else on the machine; `README.md` says what each
column is and how the peers are set up.

"""
PART_HEADING = """## Tables

Made by `bench/tables/run --publish`; `tables/README.md` says how.

"""
MEBIBYTE = 1 << 20


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def figure(value, digits=3):
    """A number with so many digits that count, without an exponent."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ours(found):
    return found["engines"].get("nightshift")


def version(engine, measured):
    text = f"{NAMES[engine]} {measured.get('version', '')}".strip()
    return text + (f" ({measured['form']})" if "form" in measured else "")


def times(found, engine):
    """How many times the processor time of Nightshift an engine takes, or an en dash."""
    base = ours(found)
    return f"×{figure(found['engines'][engine]['median'] / base['median'])}" if base else "–"


def absent_rows(case, found, width):
    return [[case.title, NAMES[engine], f"not run: {reason}", *[""] * (width - 3)]
            for engine, reason in found["absent"].items()]


def title_once(rows):
    return rows[:1] + [["", *row[1:]] for row in rows[1:]]


def reading_rows(case, found):
    rows = []
    for engine in case.engines:
        measured = found["engines"].get(engine)
        if measured is None:
            continue
        median = measured["median"]
        rows.append([
            case.title, version(engine, measured), f"{figure(measured['bytes'] / median / 1e9)}",
            figure(measured["rows"] / median / 1e6) if measured.get("rows") else "",
            f"{figure(min(measured['each']))}…{figure(max(measured['each']))}",
            times(found, engine), measured.get("agreement", "")])
    return title_once(rows + absent_rows(case, found, 7))


def scoring_rows(case, found):
    rows = []
    for engine in case.engines:
        measured = found["engines"].get(engine)
        if measured is None:
            continue
        wall = measured["medianWall"]
        rows.append([
            case.title, version(engine, measured), figure(measured["median"]), figure(wall),
            figure(measured["bytes"] / wall / 1e9), figure(measured["rows"] / wall / 1e6),
            times(found, engine), measured.get("agreement", "")])
    return title_once(rows + absent_rows(case, found, 8))


def lasting_rows(name, case, found):
    measured = found["engines"].get("nightshift-2")
    if measured is None:
        return [[case.title, f"not run: {found['absent'].get('nightshift-2', '')}", *[""] * 7]]
    wall, used = measured["wall"][0], measured["each"][0]

    def sizes(role):
        return [process for process in measured["processes"] if process["role"] == role]

    peaks = [" and ".join(f"{process['peakBytes'] / MEBIBYTE:.0f}" for process in sizes(role))
             for role in ("worker", "coordinator")]
    quarters = "; ".join(" ".join(f"{size / MEBIBYTE:.0f}" for size in process["quarters"])
                         for process in sizes("worker"))
    return [[case.title, f"{measured['bytes'] / 1e9:,.1f} GB in {measured['files']:,} files, "
             f"{measured['rows'] / 1e6:,.1f} M", f"{wall:,.1f}", f"{used / 60:,.2f}",
             figure(measured["bytes"] / wall / 1e9), peaks[0], quarters, peaks[1],
             f"{measured['receipts']}; {measured['verified']}"]]


# Goals


def verdict(is_met):
    return "yes" if is_met else "**no**"


def goal_row(case, goal, found):
    """What is asked for, what was measured, and whether it is enough."""
    engines = found["engines"]
    base = engines.get("nightshift") or engines.get("nightshift-2")
    rivals = [engine for engine in goal.rivals if engine in engines]
    wanted = {
        "bytesPerSecond": f"{figure(goal.value / 1e9)} GB/s on one core",
        "scaling": f"×{goal.value:g} on two cores",
        "memory": f"workers ≤ {goal.value / 1e6:.0f} MB",
        "minutes": f"≤ {goal.value:g} core-minutes",
        "times": f"≥ ×{goal.value:g} " + (NAMES[goal.rivals[0]] if len(goal.rivals) == 1
                                          else "the best peer") + ", core-seconds"
        if goal.rivals else "",
    }[goal.kind]
    if base is None:
        return [case.title, wanted, "not run", ""]
    if goal.kind == "bytesPerSecond":
        time = base["median"] if isinstance(case, Reading) else base["medianWall"]
        rate = base["bytes"] / time
        return [case.title, wanted, f"{figure(rate / 1e9)} GB/s", verdict(rate >= goal.value)]
    if goal.kind == "scaling":
        if "nightshift-2" not in engines or "nightshift" not in engines:
            return [case.title, wanted, "not run", ""]
        value = base["medianWall"] / engines["nightshift-2"]["medianWall"]
        return [case.title, wanted, f"×{figure(value)}", verdict(value >= goal.value)]
    if goal.kind == "memory":
        peak = max(process["peakBytes"] for process in base["processes"]
                   if process["role"] == "worker")
        return [case.title, wanted, f"{peak / 1e6:.0f} MB", verdict(peak <= goal.value)]
    if goal.kind == "minutes":
        value = base["each"][0] / 60
        return [case.title, wanted, f"{figure(value)}", verdict(value <= goal.value)]
    if not rivals:
        return [case.title, wanted, "no peer was run", ""]
    value, rival = min((engines[rival]["median"] / base["median"], rival) for rival in rivals)
    return [case.title, wanted, f"×{figure(value)} {NAMES[rival]}", verdict(value >= goal.value)]


def same_memory_row(cases):
    """Whether workers take the same memory for 1 GB and for 100 GB."""
    peaks = []
    for name in ("memory", "hundred"):
        measured = cases.get(name, {}).get("engines", {}).get("nightshift-2")
        if measured is None:
            return []
        peaks.append(max(process["peakBytes"] for process in measured["processes"]
                         if process["role"] == "worker"))
    return [["memory", "the same for 1 GB and 100 GB, within a tenth",
             " and ".join(f"{peak / 1e6:.0f} MB" for peak in peaks),
             verdict(peaks[1] <= peaks[0] * 1.1)]]


# All


def machine_lines(cases):
    lines = {}
    for name, found in cases.items():
        about = found["machine"]
        line = (f"{about['date']}, commit {about['commit']}, {about['processor']}, "
                f"{about['cores']} cores, {about['memoryGiB']} GiB, Linux {about['kernel']}, load "
                f"at start {about['loadAtStart']:.2f}")
        lines.setdefault(line, []).append(name)
    if len(lines) == 1:
        return [*lines]
    return [f"{', '.join(names)}: {line}  " for line, names in lines.items()]


def markdown(cases):
    text = [*machine_lines(cases), ""]
    trials = [name for name, found in cases.items() if found["scale"] != 1]
    if trials:
        text += [f"**A trial with other sizes, not for publication: {', '.join(trials)}.**", ""]
    parts = {Reading: [], Scoring: [], Lasting: []}
    for name, found in cases.items():
        case = CASES[name]
        rows = lasting_rows(name, case, found) if isinstance(case, Lasting) else \
            reading_rows(case, found) if isinstance(case, Reading) else scoring_rows(case, found)
        parts[type(case)] += rows
    headers = {
        Reading: ["to columns, one core", "engine", "GB/s", "M rows/s", "core-s, least…most",
                  "core-s against Nightshift", "answers"],
        Scoring: ["from file to file, one core", "engine", "core-s", "wall s", "GB/s", "M rows/s",
                  "core-s against Nightshift", "predictions"],
        Lasting: ["two workers", "input", "wall s", "core-min", "GB/s", "workers' peak MiB",
                  "at each quarter", "coordinator's peak MiB", "receipts; verify"]}
    for kind, rows in parts.items():
        if rows:
            text += [table(headers[kind], rows), ""]
    goals = []
    for name, found in cases.items():
        case = CASES[name]
        goals += title_once([goal_row(case, goal, found) for goal in case.goals])
    text.append(table(["case", "goal", "measured", "met"], goals + same_memory_row(cases)))
    return "\n".join(text) + "\n"
