"""The figures of bench/compare.py as Markdown, kept between runs, and their place in docs/performance.md."""
import datetime
import json
import os
import platform
import re
from pathlib import Path

from measure import run

BEGIN, END = "<!-- bench/compare.py writes from here -->", "<!-- to here -->"
HEAD = "| what | ours | beside | theirs | ratio | goal |\n| --- | ---: | --- | ---: | ---: | ---: |"


def line(row):
    goal, met = "", ""
    if row["goal"] is not None:
        most = row.get("most", False)
        goal = f"{'at most' if most else 'at least'} {row['goal']:g}"
        met = "" if (row["ratio"] <= row["goal"] if most else row["ratio"] >= row["goal"]) else " (missed)"
    return (
        f"| {row['what']} | {row['ours']} | {row['peer']} | {row['theirs']} | **{row['ratio']:.2f}**{met} | {goal} |"
    )


def markdown(rows):
    return "\n".join([HEAD, *map(line, rows)])


def processor():
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


class Results:
    """What each part gave when it was last measured."""

    def __init__(self, path):
        self.path = path
        self.parts = json.loads(path.read_text()) if path.exists() else {}

    def put(self, name, rows, notes, bench):
        info = json.loads(run(bench.ours.program, "info", "--json"))
        about = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{processor()}, {bench.threads} threads, {platform.system()} {platform.release().split('-')[0]}",
            "program": f"facemask {info['version']} in {info['auto_precision']}, {info['engine']}",
            "quick": bench.quick,
            "load": round(os.getloadavg()[0], 1),  # the measured programs themselves make some 2 of it
        }
        self.parts[name] = {"rows": rows, "notes": notes, "about": about}
        self.path.write_text(json.dumps(self.parts, indent=1))

    def page(self):
        rows = [row for part in self.parts.values() for row in part["rows"]]
        text = [markdown(rows), ""]
        for part in self.parts.values():
            text += [f"- {note}" for note in part["notes"]]
        abouts = {json.dumps(part["about"], sort_keys=True): name for name, part in self.parts.items()}
        for about, _ in abouts.items():
            names = ", ".join(n for n, part in self.parts.items() if json.dumps(part["about"], sort_keys=True) == about)
            about = json.loads(about)
            quick = " --quick" if about["quick"] else ""
            load = f", load {about['load']}" if "load" in about else ""
            text.append(
                f"- {names}: {about['date']}, {about['machine']}, {about['program']}{load}; `bench/compare.py build{quick}`."
            )
        if "growth" in self.parts:
            text += ["", "![Time against the size of the picture](images/performance_size.svg)", ""]
            text += ["![Time against the batch](images/performance_batch.svg)"]
        return "\n".join(text)

    def write(self, path):
        """Puts the page between the marks of the document."""
        document = path.read_text()
        before, rest = document.split(BEGIN)
        after = rest.split(END)[1]
        path.write_text(f"{before}{BEGIN}\n{self.page()}\n{END}{after}")
