"""timm backbones, one entry each; what differs from timm's own layout for 48x48 input stands in the entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.recipes import ADAMW, DEPTHWISE, PLAIN, Recipe
from zoo.registry import register

if TYPE_CHECKING:
    from torch import nn


def backbone(
    name: str,
    model: str,
    summary: str,
    *,
    recipe: Recipe,
    reference: str,
    image_size: int = 48,
    stem_stride: int | None = None,
    max_pool: bool = True,
    **options: Any,
) -> None:
    """Registers timm's `model` as member `name`.

    `stem_stride` replaces the stride of the first convolution, `max_pool=False` takes out the pooling after the stem;
    both keep more of a small image. `options` go to `timm.create_model`.
    """

    def build(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
        import timm
        from torch import nn

        network = timm.create_model(model, num_classes=num_classes, in_chans=in_chans, **options)
        if stem_stride is not None:
            stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
            stem.stride = (stem_stride, stem_stride)
        if not max_pool:
            network.maxpool = nn.Identity()
        return network

    build.__name__, build.__doc__ = name, summary
    globals()[name] = register(recipe=recipe, image_size=image_size, reference=reference)(build)


backbone(
    "resnet10t",
    "resnet10t",
    "ResNet of 10 layers with a tiered stem, overall stride 16",
    recipe=replace(PLAIN, epochs=14),
    reference="arXiv:1512.03385",
    max_pool=False,
)
backbone(
    "resnet18",
    "resnet18",
    "ResNet-18 as published, overall stride 32",
    recipe=replace(PLAIN, epochs=12),
    reference="arXiv:1512.03385",
)
backbone(
    "mobilenetv4_conv_small",
    "mobilenetv4_conv_small",
    "MobileNetV4 conv small, first stride 1, overall stride 16",
    recipe=replace(DEPTHWISE, epochs=6),
    reference="arXiv:2404.10518",
    stem_stride=1,
)
backbone(
    "regnetx_002",
    "regnetx_002",
    "RegNetX 200 MF, first stride 1, overall stride 16",
    recipe=replace(DEPTHWISE, epochs=6, bf16_on_cpu=True),
    reference="arXiv:2003.13678",
    stem_stride=1,
)
backbone(
    "convnext_atto",
    "convnext_atto",
    "ConvNeXt atto, patches of 2 pixels, overall stride 16",
    recipe=replace(ADAMW, epochs=8, bf16_on_cpu=False),
    reference="arXiv:2201.03545",
    patch_size=2,
)
