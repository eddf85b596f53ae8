"""timm backbones, one entry each; an entry says how its network is adapted to small images.

Most networks halve the image five times, which leaves one or two pixels of 48. An entry says what it does about that:
a first stride of 1, smaller patches, or an image enlarged to 96 pixels. Enlarging costs as much as a first stride of 1,
and keeps the scales that trained kernels expect. Each model name carries the tag of the trained weights in timm.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.member import Pretrained
from zoo.recipes import ADAMW, DEPTHWISE, KDEF, PLAIN, Recipe, Transfer
from zoo.registry import register

if TYPE_CHECKING:
    from torch import nn

FINE_TUNED = Recipe(
    epochs=8,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.05,
    normalise="imagenet",
    transfer=Transfer(head_epochs=1, backbone=0.3),
)
"""Networks that start from trained weights: the classifier alone for an epoch, then all at a lower rate."""

FINE_TUNED_DEEP = replace(FINE_TUNED, transfer=Transfer(head_epochs=1, backbone=0.2, layer_decay=0.75))
"""Transformers and their like: the nearer to the input, the less a layer moves."""


def backbone(
    name: str,
    model: str,
    summary: str,
    *,
    recipe: Recipe,
    reference: str,
    image_size: int = 48,
    init: str | None = None,
    weights: str = "",
    tuned: Recipe = FINE_TUNED,
    tuned_size: int | None = None,
    paper: Recipe | None = None,
    paper_size: int | None = None,
    stem_stride: int | None = None,
    max_pool: bool = True,
    smallest: int = 1,
    transformer: bool = False,
    trees: bool = False,
    **options: Any,
) -> None:
    """Register timm's `model` as member `name` of the calling module, starting from random weights.

    With `init` ("imagenet", "imagenet-22k": what timm's weights were trained on) a second member starts from these, by
    the recipe `tuned` and at `tuned_size` (default: `image_size`); with `paper` a third one follows a publication's
    fine-tuning, at `paper_size`. `weights` names a file of zoo/pretrained/packages.py to use instead of the hub's.

    `stem_stride` replaces the stride of the first convolution, `max_pool=False` removes the pooling after the stem:
    both keep more of a small image. `smallest` is the least image side that the network takes. `transformer` is for
    networks that timm builds for one image size: they then take others, too, by resampled position embeddings and
    padding to whole patches. `trees` adds companions with XGBoost on the network's features. `options` go to
    `timm.create_model`.
    """

    def build(num_classes: int, in_chans: int, image_size: int, **source: Any) -> nn.Module:
        import timm
        from torch import nn

        if image_size < smallest:
            raise ValueError(f"{name} takes images of at least {smallest} pixels a side, not {image_size}")
        sized: dict[str, Any] = {"img_size": image_size, "dynamic_img_size": True, "dynamic_img_pad": True}
        given = {**(sized if transformer else {}), **options, **source}
        network = timm.create_model(model, num_classes=num_classes, in_chans=in_chans, **given)
        if stem_stride is not None:
            stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
            stem.stride = (stem_stride, stem_stride)
        if not max_pool:
            network.maxpool = nn.Identity()
        return network

    caller = sys._getframe(1).f_globals  # the module that has this entry, found as namedtuple finds it
    build.__name__, build.__doc__, build.__module__ = name, summary, caller["__name__"]
    start = None
    if init is not None:
        start = Pretrained(init, weights or f"timm/{model}", tuned, tuned_size or image_size, paper, paper_size)
    caller[name] = register(recipe=recipe, image_size=image_size, reference=reference, pretrained=start, trees=trees)(
        build
    )


# ResNet and its kin

backbone(
    "resnet10t",
    "resnet10t.c3_in1k",
    "ResNet of 10 layers with a tiered stem, overall stride 16",
    recipe=replace(PLAIN, epochs=14),
    reference="arXiv:1512.03385",
    init="imagenet",
    max_pool=False,
)
backbone(
    "resnet18",
    "resnet18.a1_in1k",
    "ResNet-18 as published, overall stride 32",
    recipe=replace(PLAIN, epochs=12),
    reference="arXiv:1512.03385",
    init="imagenet",
    tuned_size=96,
)
backbone(
    "resnet34",
    "resnet34.a1_in1k",
    "ResNet-34 on images enlarged to 96 pixels",
    recipe=replace(PLAIN, epochs=10),
    image_size=96,
    reference="arXiv:1512.03385",
    init="imagenet",
)
backbone(
    "resnet50",
    "resnet50.a1_in1k",
    "ResNet-50 on images enlarged to 96 pixels",
    recipe=replace(PLAIN, epochs=10),
    image_size=96,
    reference="arXiv:1512.03385",
    init="imagenet",
)
backbone(
    "cbam_resnet18",
    "resnet18",
    "ResNet-18 with channel and spatial attention in each block, overall stride 16",
    recipe=replace(PLAIN, epochs=12),
    reference="arXiv:1807.06521",
    max_pool=False,
    block_args={"attn_layer": "cbam"},
)
backbone(
    "cbam_resnet50",
    "resnet50",
    "ResNet-50 with channel and spatial attention in each block, overall stride 16",
    recipe=replace(PLAIN, epochs=10),
    reference="arXiv:1807.06521",
    max_pool=False,
    block_args={"attn_layer": "cbam"},
)
backbone(
    "resnext50_32x4d",
    "resnext50_32x4d.a1h_in1k",
    "ResNeXt-50 of 32 groups of 4 channels on images enlarged to 96 pixels",
    recipe=replace(PLAIN, epochs=10),
    image_size=96,
    reference="arXiv:1611.05431",
    init="imagenet",
)
backbone(
    "regnetx_002",
    "regnetx_002.pycls_in1k",
    "RegNetX 200 MF, first stride 1, overall stride 16",
    recipe=replace(DEPTHWISE, epochs=6),
    reference="arXiv:2003.13678",
    init="imagenet",
    stem_stride=1,
)
backbone(
    "densenet121",
    "densenet121.ra_in1k",
    "DenseNet-121 on images enlarged to 96 pixels",
    recipe=replace(PLAIN, epochs=10),
    image_size=96,
    reference="arXiv:1608.06993",
    init="imagenet",
    paper=KDEF,
    paper_size=224,
    smallest=31,
)

# VGG, Inception, Xception

backbone(
    "vgg16_bn",
    "vgg16_bn.tv_in1k",
    "VGG-16 with batch norm and its three fully connected layers",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    reference="arXiv:1409.1556",
    init="imagenet",
    tuned_size=64,
    smallest=32,
    drop_rate=0.5,
)
backbone(
    "vgg19_bn",
    "vgg19_bn.tv_in1k",
    "VGG-19 with batch norm and its three fully connected layers",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    reference="arXiv:1409.1556",
    init="imagenet",
    tuned_size=64,
    smallest=32,
    drop_rate=0.5,
)
backbone(
    "inception_v3",
    "inception_v3.tv_in1k",
    "Inception-v3 on images enlarged to 120 pixels, which leaves 75 and more in the small first epochs",
    recipe=replace(PLAIN, epochs=10),
    image_size=120,
    reference="arXiv:1512.00567",
    init="imagenet",
    tuned=replace(FINE_TUNED, normalise="signed"),
    smallest=75,
)
backbone(
    "xception",
    "legacy_xception",
    "Xception on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1610.02357",
    smallest=8,
)

# EfficientNet

backbone(
    "efficientnet_b0",
    "efficientnet_b0.ra_in1k",
    "EfficientNet-B0 on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.11946",
    init="imagenet",
    tuned=FINE_TUNED,
    trees=True,
)
backbone(
    "efficientnetv2_m",
    "tf_efficientnetv2_m.in21k_ft_in1k",
    "EfficientNetV2-M on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:2104.00298",
    init="imagenet-22k",
    tuned=replace(FINE_TUNED, normalise="signed"),
    trees=True,
)
backbone(
    "efficientnet_lite0",
    "tf_efficientnet_lite0.in1k",
    "EfficientNet-Lite0, without squeeze-and-excite, on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.11946",
    init="imagenet",
    weights="efficientnet-lite0-57934424.pth",
    tuned=replace(FINE_TUNED, normalise="signed"),
    trees=True,
)
backbone(
    "efficientnet_lite1",
    "tf_efficientnet_lite1.in1k",
    "EfficientNet-Lite1, without squeeze-and-excite, on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.11946",
    init="imagenet",
    weights="efficientnet-lite1-77cc7160.pth",
    tuned=replace(FINE_TUNED, normalise="signed"),
    trees=True,
)
backbone(
    "efficientnet_lite2",
    "tf_efficientnet_lite2.in1k",
    "EfficientNet-Lite2, without squeeze-and-excite, on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.11946",
    init="imagenet",
    weights="efficientnet-lite2-9656183e.pth",
    tuned=replace(FINE_TUNED, normalise="signed"),
    trees=True,
)

# MobileNet and FBNet

backbone(
    "mobilenetv2",
    "mobilenetv2_100.ra_in1k",
    "MobileNetV2 on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1801.04381",
    init="imagenet",
    weights="mobilenet_v2-b0353104.pth",
    tuned=FINE_TUNED,
)
backbone(
    "mobilenetv3_small",
    "mobilenetv3_small_100.lamb_in1k",
    "MobileNetV3 small on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.02244",
    init="imagenet",
    tuned=FINE_TUNED,
)
backbone(
    "mobilenetv3_large",
    "mobilenetv3_large_100.ra_in1k",
    "MobileNetV3 large on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:1905.02244",
    init="imagenet",
    tuned=FINE_TUNED,
)
backbone(
    "mobilenetv4_conv_small",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "MobileNetV4 conv small, first stride 1, overall stride 16",
    recipe=replace(DEPTHWISE, epochs=6),
    reference="arXiv:2404.10518",
    init="imagenet",
    tuned=FINE_TUNED,
    stem_stride=1,
)
backbone(
    "mobilenetv4_conv_medium",
    "mobilenetv4_conv_medium.e500_r224_in1k",
    "MobileNetV4 conv medium on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:2404.10518",
    init="imagenet",
    tuned=FINE_TUNED,
)
backbone(
    "mobilenetv4_hybrid_medium",
    "mobilenetv4_hybrid_medium.e500_r224_in1k",
    "MobileNetV4 hybrid medium, with attention in the last stages, on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:2404.10518",
    init="imagenet",
    tuned=FINE_TUNED,
)
backbone(
    "fbnetv3_b",
    "fbnetv3_b.ra2_in1k",
    "FBNetV3-B on images enlarged to 96 pixels",
    recipe=replace(DEPTHWISE, epochs=10),
    image_size=96,
    reference="arXiv:2006.02049",
    init="imagenet",
    tuned=FINE_TUNED,
)

# ConvNeXt

backbone(
    "convnext_atto",
    "convnext_atto",
    "ConvNeXt atto, patches of 2 pixels, overall stride 16",
    recipe=replace(ADAMW, epochs=8),
    reference="arXiv:2201.03545",
    patch_size=2,
)
backbone(
    "convnext_tiny",
    "convnext_tiny.fb_in22k_ft_in1k",
    "ConvNeXt tiny on images enlarged to 96 pixels",
    recipe=replace(ADAMW, epochs=8),
    image_size=96,
    reference="arXiv:2201.03545",
    init="imagenet-22k",
    tuned=FINE_TUNED_DEEP,
    smallest=32,
)
backbone(
    "convnext_base",
    "convnext_base.fb_in22k_ft_in1k",
    "ConvNeXt base on images enlarged to 96 pixels",
    recipe=replace(ADAMW, epochs=8),
    image_size=96,
    reference="arXiv:2201.03545",
    init="imagenet-22k",
    tuned=FINE_TUNED_DEEP,
    smallest=32,
)

# Transformers

backbone(
    "vit_small",
    "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "ViT small, 36 patches of 16 pixels of images enlarged to 96",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    image_size=96,
    reference="arXiv:2010.11929",
    init="imagenet-22k",
    tuned=replace(FINE_TUNED_DEEP, normalise="signed"),
    transformer=True,
)
backbone(
    "deit_small",
    "deit_small_patch16_224.fb_in1k",
    "DeiT small, 36 patches of 16 pixels of images enlarged to 96",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    image_size=96,
    reference="arXiv:2012.12877",
    init="imagenet",
    tuned=FINE_TUNED_DEEP,
    transformer=True,
)
backbone(
    "eva_large",
    "eva_large_patch14_196.in22k_ft_in22k_in1k",
    "EVA large, 64 patches of 14 pixels of images enlarged to 112",
    recipe=replace(ADAMW, epochs=8, learning_rate=3e-4),
    image_size=112,
    reference="arXiv:2211.07636",
    init="imagenet-22k",
    tuned=FINE_TUNED_DEEP,
    transformer=True,
)
backbone(
    "eva02_tiny",
    "eva02_tiny_patch14_224.mim_in22k",
    "EVA-02 tiny, 64 patches of 14 pixels of images enlarged to 112",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    image_size=112,
    reference="arXiv:2303.11331",
    init="imagenet-22k",
    tuned=FINE_TUNED_DEEP,
    transformer=True,
)
backbone(
    "eva02_small",
    "eva02_small_patch14_224.mim_in22k",
    "EVA-02 small, 64 patches of 14 pixels of images enlarged to 112",
    recipe=replace(ADAMW, epochs=10, learning_rate=1e-3),
    image_size=112,
    reference="arXiv:2303.11331",
    init="imagenet-22k",
    tuned=FINE_TUNED_DEEP,
    transformer=True,
)
