"""What is used of torchvision, loaded without PyTorch's compiler, which costs 2 s and 145 MB and has nothing to do."""

from __future__ import annotations

import sys
from types import ModuleType

#: What torchvision's `roi_align` asks whether the compiler may be used, when a picture lies where only that is exact.
COMPILER = "torch._dynamo.utils"


class Unloaded(ModuleType):
    """In the place of COMPILER while torchvision is loaded: asks it when somebody asks."""

    @staticmethod
    def is_compile_supported(device: str) -> bool:
        from torch._dynamo.utils import is_compile_supported

        supported: bool = is_compile_supported(device)
        return supported


_absent = COMPILER not in sys.modules
if _absent:
    sys.modules[COMPILER] = Unloaded(COMPILER)
try:
    from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import TwoMLPHead
    from torchvision.models.detection.image_list import ImageList
    from torchvision.models.detection.mask_rcnn import MaskRCNN_ResNet50_FPN_Weights
    from torchvision.models.detection.roi_heads import (
        RoIHeads,
        expand_boxes,
        expand_masks,
        fastrcnn_loss,
        maskrcnn_inference,
        maskrcnn_loss,
    )
    from torchvision.models.detection.rpn import RPNHead
    from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
    from torchvision.ops import (
        Conv2dNormActivation,
        FeaturePyramidNetwork,
        FrozenBatchNorm2d,
        MultiScaleRoIAlign,
        box_iou,
    )
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
finally:
    if _absent:
        del sys.modules[COMPILER]

__all__ = [
    "AnchorGenerator",
    "Conv2dNormActivation",
    "FeaturePyramidNetwork",
    "FrozenBatchNorm2d",
    "GeneralizedRCNNTransform",
    "ImageList",
    "LastLevelMaxPool",
    "MaskRCNN",
    "MaskRCNN_ResNet50_FPN_Weights",
    "MultiScaleRoIAlign",
    "RPNHead",
    "RoIHeads",
    "TwoMLPHead",
    "box_iou",
    "expand_boxes",
    "expand_masks",
    "fastrcnn_loss",
    "maskrcnn_inference",
    "maskrcnn_loss",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "resize_boxes",
]
