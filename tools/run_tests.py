"""Runs Meson's tests and counts every one: the cases of the cmocka programs, and each other program as one test.

usage: run_tests.py BUILD [words for `meson test`]

Says which tests were skipped and why. The last line is `N passed, N failed, N skipped`; exit status 1 when anything failed.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

CASE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\S.*)$", re.MULTILINE)
RAN = re.compile(r"^\[==========\].*Running \d+ test", re.MULTILINE)
TOTAL = re.compile(r"^\[\s+(?:PASSED|FAILED|SKIPPED)\s+\].*test\(s\)")


def cases(test):
    """(name, outcome) of each case. A program that ended badly has failed, whatever its cases say."""
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    bad = test["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT")
    if not RAN.search(output):
        outcome = "failed" if bad else "skipped" if test["result"] == "SKIP" else "passed"
        return [(test["name"], outcome)]
    found = {}
    for word, name in CASE.findall(output):
        if "test(s)" not in word + name:
            found.setdefault(name.split(",")[0].strip(), {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[word])
    if bad and "failed" not in found.values():
        found["its end: " + test["result"]] = "failed"
    return [(f"{test['name']}: {name}", outcome) for name, outcome in found.items()]


def reason(test):
    lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines()
    return next((line.strip() for line in lines if line.strip().startswith("skipped:")), "")


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
                print(f"{outcome}: {name} {reason(test) if outcome == 'skipped' else ''}".rstrip())
    if status != 0 and counts["failed"] == 0:
        counts["failed"] = 1
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
