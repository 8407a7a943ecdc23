"""The project's own rules about its C files, as docs/design.md states them; prints every breach and how many files were read.

- a file opens with a comment and has at most 600 lines, a function at most 80, a line at most 100 columns;
- a function takes at most six parameters;
- a room includes only what its meson.build links, and a foreign library belongs to its room;
- calls that overflow or end the process are not made (in src/), printing is left to cli/.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES, FUNCTION_LINES, COLUMNS, PARAMETERS = 600, 80, 100, 6
FOREIGN = {
    "dnnl.h": {"nn"}, "mpi.h": {"train"}, "expat.h": {"data"}, "zip.h": {"base"}, "yaml.h": {"base"},
    "png.h": {"image"}, "jpeglib.h": {"image"}, "cairo.h": {"image", "report"}, "microhttpd.h": {"serve"},
}
BANNED = {"strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atof", "rand", "srand", "tmpnam", "exit"}
PRINTING = {"printf", "puts", "putchar"}
GENERATED = "Do not edit."
CALL = re.compile(r"\b([a-z_]+)\(")
INCLUDE = re.compile(r'#include ([<"])([^>"]+)[>"]')


def linked_rooms():
    """What each room may include: itself and the rooms its meson.build names."""
    rooms = {}
    for path in ROOT.glob("src/*/meson.build"):
        rooms[path.parent.name] = {path.parent.name} | set(re.findall(r"\b([a-z]+)_dep\b", path.read_text()))
    for _ in rooms:  # what a room links, links in turn
        for name in rooms:
            rooms[name] = rooms[name].union(*(rooms.get(other, set()) for other in rooms[name]))
    return rooms


def without_comments(line):
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def parameters(lines, at):
    """How many parameters has the function whose body opens in line `at`? Its head begins at the left margin."""
    start = at
    while start > 0 and lines[start][:1] in " \t":
        start -= 1
    head = re.sub(r"__attribute__\(\(.*?\)\)\)?", "", " ".join(lines[start:at + 1]))
    inner = head[head.find("(") + 1:]
    depth, count = 0, 1
    for letter in inner:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            break
        count += letter == "," and depth == 0
    return count


def functions(lines):
    """(name, first line, lines, parameters) of every function; clang-format has put their braces in known places."""
    for at, line in enumerate(lines):
        if line.endswith(") {") and re.match(r"[A-Za-z_ ]", line) and not line.startswith(("  ", "}")) or (
                line.startswith(" ") and line.endswith(") {") and re.match(r"[A-Za-z_].*\(", lines[at - 1])
                and not lines[at - 1].endswith((";", "{"))):
            end = next((i for i in range(at, len(lines)) if lines[i] == "}"), len(lines))
            head = line if not line.startswith(" ") else lines[at - 1]
            name = re.findall(r"(\w+)\(", head)
            yield (name[0] if name else head), at, end - at + 1, parameters(lines, at)


def check_file(path, rooms, say):
    text = path.read_text()
    lines = text.splitlines()
    generated = GENERATED in "\n".join(lines[:3])
    if not lines or not lines[0].startswith(("//", "/*")):
        say(path, 1, "the file does not open with what it is responsible for")
    if len(lines) > FILE_LINES and not generated:
        say(path, len(lines), f"{len(lines)} lines, at most {FILE_LINES}")
    for at, line in enumerate(lines):
        if len(line) > COLUMNS and not generated:
            say(path, at + 1, f"{len(line)} columns, at most {COLUMNS}")
    for name, at, length, count in functions(lines):
        if length > FUNCTION_LINES:
            say(path, at + 1, f"{name} has {length} lines, at most {FUNCTION_LINES}")
        if count > PARAMETERS:
            say(path, at + 1, f"{name} takes {count} parameters, at most {PARAMETERS}")
    if path.parts[len(ROOT.parts)] == "src":
        check_source(path, lines, rooms, say)


def check_source(path, lines, rooms, say):
    room = path.relative_to(ROOT / "src").parts[0]
    for at, line in enumerate(lines):
        found = INCLUDE.match(line)
        if found:
            check_include(path, at, room, found, rooms, say)
        for call in CALL.findall(without_comments(line)):
            if call in BANNED or (call in PRINTING and room != "cli"):
                say(path, at + 1, f"{call} is not called here")


def check_include(path, at, room, found, rooms, say):
    kind, name = found.groups()
    other = name.split("/")[0]
    if kind == '"' and other in rooms and other not in rooms.get(room, {room}):
        say(path, at + 1, f"{room} does not link {other}, so it does not include {name}")
    if kind == "<" and room not in FOREIGN.get(name, {room}):
        say(path, at + 1, f"<{name}> belongs to {', '.join(sorted(FOREIGN[name]))}")


def main():
    breaches = []

    def say(path, line, what):
        breaches.append(f"{path.relative_to(ROOT)}:{line}: {what}")

    rooms = linked_rooms()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split()
    paths = [ROOT / name for name in listed if (ROOT / name).exists()]
    for path in paths:
        check_file(path, rooms, say)
    print("\n".join(breaches + [f"{len(paths)} files read, {len(breaches)} breaches of the rules"]))
    return 1 if breaches or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
