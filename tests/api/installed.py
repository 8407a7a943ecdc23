"""Installs into an empty folder and builds the example against it, with nothing but pkg-config.

usage: installed.py BUILD_FOLDER EXAMPLE.c WEIGHTS FACEMASK
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_symbols(library):
    """Nothing but the API leaves the library."""
    names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()]
    others = [name for name in names if not name.startswith("facemask_")]
    if others or "facemask_detect" not in names:
        sys.exit(f"{library} exports {others or names}")


def main():
    build, example, weights, facemask = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "root"
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
        (description,) = root.rglob("facemask.pc")
        (library,) = (path for path in root.rglob("libfacemask.so.*.*.*"))
        (header,) = root.rglob("facemask.h")
        check_symbols(library)
        environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(root))
        environment["PKG_CONFIG_PATH"] = str(description.parent)
        flags = run("pkg-config", "--cflags", "--libs", "facemask", env=environment).split()
        if any(flag.startswith("-l") and flag != "-lfacemask" for flag in flags):
            sys.exit(f"who links the shared library needs no other: {flags}")
        png = run("pkg-config", "--cflags", "--libs", "libpng").split()
        program = pathlib.Path(folder) / "detect_faces"
        # Written for C11 and for C++ alike.
        # A library built with the sanitizers wants them in the program, too.
        sanitize = ["-fsanitize=address,undefined"] if "libasan" in run("ldd", library) else []
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *sanitize, example, "-o", program, *flags, *png)
        run("c++", "-fsyntax-only", "-Wall", "-Werror", "-x", "c++", header)
        environment["LD_LIBRARY_PATH"] = str(library.parent)
        data = pathlib.Path(folder) / "data"
        run(facemask, "synth", "--count", "1", "--out", data)
        (picture,) = (data / "images").iterdir()
        output = run(program, weights, picture, env=environment)
        if not output:
            sys.exit("the example finds nothing")
        for line in output.splitlines():
            if not re.fullmatch(r"(with_mask|without_mask|mask_weared_incorrect) [01]\.\d{3}:( -?\d+\.\d){4}", line):
                sys.exit(f"what is {line!r}?")
        failed = subprocess.run([program, "/nowhere", picture], env=environment, capture_output=True, text=True)
        if failed.returncode != 1 or "/nowhere" not in failed.stderr:
            sys.exit(f"a missing weights file: {failed}")
    print(f"installed, built and run: {len(output.splitlines())} faces")


if __name__ == "__main__":
    main()
