"""What the engine's network says, by the program of tests/detect/trunk_runner.c."""
import subprocess

import numpy as np


def run_trunk(program, weights, batch, settings):
    """The outputs by name of a normalised batch (n, 3, h, w) in fp32; settings are KEY=VALUE."""
    command = [program, weights, ",".join(map(str, (batch.shape[0], *batch.shape[2:]))), *settings]
    done = subprocess.run(command, input=batch.tobytes(), stdout=subprocess.PIPE, check=True, timeout=300)
    results, at = {}, 0
    while at < len(done.stdout):
        end = done.stdout.index(b"\n", at)
        name, *shape = done.stdout[at:end].split()
        shape = tuple(map(int, shape))
        count = int(np.prod(shape))
        results[name.decode()] = np.frombuffer(done.stdout, np.float32, count, end + 1).reshape(shape)
        at = end + 1 + 4 * count
    return results
