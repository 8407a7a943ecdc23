"""Turns the files of an HTML report into C arrays: embed.py OUT.c OUT.h page.css page.js chart.umd.min.js"""

import sys
from pathlib import Path

NAMES = {"page.css": "page_css", "page.js": "page_js", "chart.umd.min.js": "chart_js"}


def main(source, header, *paths):
    code = ['#include "web.h"\n']
    declarations = ["// The files in src/report/web and third_party/chart.js.\n#include <stddef.h>\n"]
    for path in map(Path, paths):
        # The map stands beside Chart.js in its package only: a report must not look for it.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        data = "".join(line for line in lines if not line.startswith("//# sourceMappingURL=")).encode()
        if b"</script" in data.lower():
            sys.exit(f"{path}: </script would end the element the file stands in")
        name = "fm_web_" + NAMES[path.name]
        rows = (data[i : i + 32] for i in range(0, len(data), 32))
        body = "".join("  " + "".join(f"{byte}," for byte in row) + "\n" for row in rows)
        code.append(f"const unsigned char {name}[] = {{\n{body}}};\nconst size_t {name}_size = sizeof {name};\n")
        declarations.append(f"extern const unsigned char {name}[];\nextern const size_t {name}_size;\n")
    Path(source).write_text("".join(code))
    Path(header).write_text("".join(declarations))


main(*sys.argv[1:])
