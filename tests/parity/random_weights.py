"""Random weights for comparisons: nothing trivial in them, and no decision that hangs on the last bit.

A network computes the same function on both sides only up to rounding, and rounding decides where a value lies just beside a
ReLU's kink: the gradient of that unit is there on one side and gone on the other, whoever is right. Here every channel in
front of a ReLU or hard-swish lies about three deviations off the kink, some above, some below. Activations neither vanish nor
explode: the running statistics are those of random pictures. And weights are small beside their gradients where the
function allows it, so that an update is not lost in the rounding of the weight it is added to."""

import numpy
import torch
from torch import nn

import torch_reference as reference

CONV_SCALE, NORM_SCALE = 0.3, 0.3  # a norm behind the convolution takes its factor out again
RESIDUAL_SCALE = 0.3  # weak residual branches keep rounding from growing with depth
SQUEEZE_SCALE, EXCITE_SCALE = 0.02, 0.1
OBJECTNESS_SCALE = 4.0  # scores that differ: the order of proposals is not a matter of rounding
MARGIN = (2.5, 3.5)
ON = 0.65  # part of the channels above zero


def off_zero(deviation):
    """Shifts by about three deviations, up or down."""
    sign = torch.where(torch.rand_like(deviation) < ON, 1.0, -1.0)
    return sign * deviation * (MARGIN[0] + (MARGIN[1] - MARGIN[0]) * torch.rand_like(deviation))


def _scale_body(model):
    for name, parameter in model.backbone.body.named_parameters():
        if ".fc1.weight" in name or ".fc2.weight" in name:
            parameter.mul_(SQUEEZE_SCALE if ".fc1" in name else EXCITE_SCALE)
        elif ".fc" in name:
            parameter.copy_(off_zero(torch.full_like(parameter, 0.1)))
        elif parameter.dim() == 4 and parameter.shape[1] > 1:
            parameter.mul_(CONV_SCALE)
    for name, module in model.backbone.body.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            scale = NORM_SCALE * (RESIDUAL_SCALE if name.endswith("bn3") else 1)
            module.weight.copy_(scale * (1 + 0.1 * torch.randn_like(module.weight)))
            module.bias.copy_(off_zero(module.weight))


def _scale_heads(model):
    for part in (model.backbone.fpn, model.rpn, model.roi_heads):
        for parameter in part.parameters():
            if parameter.dim() == 1:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    model.rpn.head.cls_logits.weight.mul_(OBJECTNESS_SCALE)


def _calibrate_norms(model, pictures):
    """Running statistics from one batch of pictures."""
    norms = [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = 1.0
    model.backbone.train()
    model.backbone(model.transform(pictures)[0].tensors)
    return norms


def _calibrate_biases(model, pictures):
    """The layers in front of the heads' ReLUs, from the first to the last."""
    model.eval()
    for layer in (model.rpn.head.conv[0][0], model.roi_heads.box_head.fc6, model.roi_heads.box_head.fc7):
        seen = []
        hook = layer.register_forward_hook(lambda _, __, out: seen.append(out.transpose(0, 1).flatten(1)))
        model(list(pictures))
        hook.remove()
        values = torch.cat(seen, 1)
        layer.bias.add_(off_zero(values.std(1)) - values.mean(1))


def _shift_statistics(norms):
    """Off the batches' own, so that their updates are more than rounding."""
    for module in norms:
        deviation = module.running_var.sqrt()
        module.running_mean.add_(0.1 * deviation * torch.randn_like(deviation))
        module.running_var.mul_(torch.exp(0.1 * torch.randn_like(deviation)))


@torch.no_grad()
def random_model(arch, norm, trainable_layers, seed, **keywords):
    torch.manual_seed(seed)
    source = reference.build(arch, "batch", 5, **keywords)
    random = numpy.random.default_rng(seed)
    pictures = [reference.to_tensor(reference.random_picture(random, 256, 224)) for _ in range(4)]
    _scale_body(source)
    _scale_heads(source)
    norms = _calibrate_norms(source, pictures)
    _calibrate_biases(source, pictures)
    if norm == "batch":
        _shift_statistics(norms)
    model = reference.build(arch, norm, trainable_layers, **keywords)
    state = source.state_dict()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    return model
