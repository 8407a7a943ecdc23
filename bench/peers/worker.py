"""What the peers share. A peer makes its model, runs one step, says on standard output that it is ready, and from then on runs as
many steps as each line of standard input asks for and answers with their times. So a peer is started once, and its steps and
ours can take turns."""
import json
import resource
import sys
import time


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(step, **about):
    step()
    print(json.dumps({"peak_mib": peak_mib(), **about}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begun = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - begun))
        print(json.dumps({"ms": times, "peak_mib": peak_mib()}), flush=True)
