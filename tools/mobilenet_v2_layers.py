"""The convolutions of MobileNetV2 (Sandler et al. 2018, table 2) by torchvision's names, for the tools that bring its
weights from elsewhere."""
from folded_norm import folded

EPSILON = 1e-5
# Expansion, channels, repeats of the stages.
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))


def layers():
    """(names of a convolution and its norm, shape of its weight, whether it is depthwise) in order."""
    yield ("0.0", "0.1"), (32, 3, 3, 3), False
    index, width = 1, 32
    for expansion, channels, repeats in STAGES:
        for _ in range(repeats):
            wide, part = width * expansion, 0
            if expansion > 1:
                yield (f"{index}.conv.0.0", f"{index}.conv.0.1"), (wide, width, 1, 1), False
                part = 1
            yield (f"{index}.conv.{part}.0", f"{index}.conv.{part}.1"), (wide, 1, 3, 3), True
            yield (f"{index}.conv.{part + 1}", f"{index}.conv.{part + 2}"), (channels, wide, 1, 1), False
            index, width = index + 1, channels
    yield ("18.0", "18.1"), (1280, width, 1, 1), False


def tensors_of(names, weight, bias):
    """What the weights file has of one of these convolutions."""
    name, norm = ("backbone.body." + part for part in names)
    return folded(name, norm, weight, bias, EPSILON)
