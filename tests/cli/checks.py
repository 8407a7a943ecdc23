"""What the scripts of this folder share: a line for each check, and how many have failed."""
_failed = 0


def check(condition, text):
    global _failed
    _failed += not condition
    print(("ok      " if condition else "FAILED  ") + text, flush=True)


def failures():
    return _failed
