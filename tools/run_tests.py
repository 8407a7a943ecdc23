"""Runs Meson's tests and counts every one: the cases of the cmocka programs, the checks that a script prints ("ok      what",
"FAILED  what"), and each other program as one test.

usage: run_tests.py BUILD [words for `meson test`]

Says which tests were skipped and why. The last line is `N passed, N failed, N skipped`; exit status 1 when anything failed.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

CMOCKA = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\S.*)$", re.MULTILINE)
SCRIPT = re.compile(r"^(ok      |FAILED  )(\S.*)$", re.MULTILINE)
OUTCOMES = {"OK": "passed", "ok": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


def cases(test):
    """(name, outcome) of each case. A program that ended badly has failed, whatever its cases say."""
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    bad = test["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT")
    if "[==========]" in output:
        # Each case once: cmocka lists the failed ones again, and totals look like cases.
        named = {name.split(",")[0].strip(): word for word, name in reversed(CMOCKA.findall(output))}
        found = [(name, OUTCOMES[word]) for name, word in named.items() if "test(s)" not in name]
    else:
        found = [(name, OUTCOMES[word.strip()]) for word, name in SCRIPT.findall(output)]
    if bad and not any(outcome == "failed" for _, outcome in found):
        found.append(("its end: " + test["result"], "failed"))
    if not found:
        return [(test["name"], "skipped" if test["result"] == "SKIP" else "passed")]
    return [(f"{test['name']}: {name}", outcome) for name, outcome in found]


def reasons(test):
    lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines()
    return [line for line in lines if line.startswith("skipped:")]


def main():
    build, words = sys.argv[1], sys.argv[2:]
    logs = Path(build) / "meson-logs"  # testlog.json, or testlog-SETUP.json
    for old in logs.glob("testlog*.json"):
        old.unlink()
    status = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *words]).returncode
    texts = [path.read_text() for path in logs.glob("testlog*.json")]
    if not texts or not texts[0]:
        sys.exit(f"run_tests: no test was run (meson test: exit status {status})")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for line in texts[0].splitlines():
        test = json.loads(line)
        for name, outcome in cases(test):
            counts[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {name}")
        for line in reasons(test):
            print(f"{test['name']}: {line}")
    if status != 0 and counts["failed"] == 0:
        counts["failed"] = 1
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
