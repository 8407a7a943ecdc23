#!/usr/bin/python3
"""Prints the table that tests/detect/test_model.c reads: every entry of torchvision's state_dicts and the least
trainable_backbone_layers with which it trains (0: always, -: never, it is a buffer).

    state_dicts.py > tests/detect/state_dicts.txt"""

import torch_reference as reference


def main():
    for arch in reference.ARCHS:
        stages = 5 if arch == "fasterrcnn_resnet50_fpn" else 6
        for norm in ("frozen", "batch"):
            trains_from = {}
            for layers in range(stages, -1, -1):
                model = reference.build(arch, norm, layers)
                for name, parameter in model.named_parameters():
                    if parameter.requires_grad:
                        trains_from[name] = layers
            for name, tensor in model.state_dict().items():
                dims = "x".join(map(str, tensor.shape)) or "scalar"
                print(arch, norm, name, dims, trains_from.get(name, "-"))


if __name__ == "__main__":
    main()
