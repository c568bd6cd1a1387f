"""The names of COCO's 80 categories by their ids, which leave ten numbers out."""

from __future__ import annotations

from collections.abc import Mapping

#: How many classes a model has that has one for each number up to the last, 0 among them.
SLOTS = 91

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, , stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, , backpack, umbrella, , ,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, , wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, , dining table, , , toilet, , tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, , book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""

COCO: Mapping[int, str] = {
    number: name for number, each in enumerate(_NAMES.replace("\n", " ").split(","), 1) if (name := each.strip())
}
