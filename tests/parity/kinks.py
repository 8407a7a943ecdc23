"""Where a network's slope jumps, and which side of it a unit is on.

ReLU, hard-swish and hard-sigmoid are bent at a point. A unit that lies there up to rounding is on one side in one arithmetic
and on the other in another; both are right, and everything in front of it gets another gradient. `Kinks` watches a model as it
trains, lists the units that near, and can carry chosen ones across to see whether they explain a difference."""

from torch import nn

# In deviations of all the units of that layer: what float32 loses over a network and a few steps.
NEAR = 1e-6
BENDS = {nn.ReLU: (0.0,), nn.ReLU6: (0.0, 6.0), nn.Hardswish: (-3.0, 3.0), nn.Hardsigmoid: (-3.0, 3.0)}


class Kinks:
    """across: units as `found` lists them, to be mirrored at their bend, by a move as small as their distance from it."""

    def __init__(self, across=()):
        self.across = [unit["place"] for unit in across]
        self.found = []
        self.step = 0
        self.calls = {}

    def attach(self, model):
        head = model.roi_heads.box_head
        head.relu6, head.relu7 = nn.ReLU(), nn.ReLU()  # torchvision calls the function; a module can be watched
        head.forward = lambda x: head.relu7(head.fc7(head.relu6(head.fc6(x.flatten(1)))))
        for name, module in model.named_modules():
            for bend in BENDS.get(type(module), ()):
                module.register_forward_pre_hook(lambda _, inputs, name=name, bend=bend: self._see(name, bend, inputs[0]))

    def next_step(self):
        self.step += 1
        self.calls = {}

    def _see(self, name, bend, values):
        # ResNet's blocks call one ReLU several times.
        call = self.calls[name, bend] = self.calls.get((name, bend), 0) + 1
        distance = values.detach().flatten() - bend
        near = NEAR * values.detach().std()
        moves = None
        for unit in (distance.abs() <= near).nonzero().flatten().tolist():
            place = (self.step, name, bend, call, unit)
            self.found.append({"place": place, "distance": (distance[unit].abs() / near * NEAR).item()})
            if place in self.across:
                moves = distance.new_zeros(distance.shape) if moves is None else moves
                moves[unit] = -2 * distance[unit]
        return None if moves is None else (values + moves.view_as(values),)

    def nearest(self, count):
        return sorted(self.found, key=lambda unit: unit["distance"])[:count]


def describe(unit):
    step, name, bend, call, index = unit["place"]
    again = f", call {call}" if call > 1 else ""
    return f"step {step}, unit {index} of {name}{again}, {unit['distance']:.1e} deviations off its bend at {bend:g}"
