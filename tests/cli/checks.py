"""What the scripts of this folder share: a line for each check, and how many have failed."""
import os

_failed = 0


def check(condition, text):
    global _failed
    _failed += not condition
    print(("ok      " if condition else "FAILED  ") + text, flush=True)


def failures():
    return _failed


def hide_gnuplot():
    """From here on the program finds no gnuplot: the charts at a training's end take as long as these trainings do.
    report.py and samples.py look at them."""
    os.environ["PATH"] = "/nonexistent"
