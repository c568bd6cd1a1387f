"""The choice: a net that knows but one kind of object, and the classical engine for those who ask for it."""

from __future__ import annotations

from dataclasses import replace

from spoolfarm.tasks.segment.classical import Classical
from spoolfarm.tasks.segment.instance import Engine, Eyes, Found, Pixels, Wanted


class Choice:
    """Has the net look, or the classical engine, whose objects are of the net's one kind too."""

    eyes: frozenset[Eyes] = frozenset(("auto", "net", "classical"))
    tiled: frozenset[Eyes] = frozenset(("auto", "net"))

    def __init__(self, net: Engine) -> None:
        self._net, self._classical = net, Classical()
        self.name, self.model, self.labels, self.batch = net.name, net.model, net.labels, net.batch
        [self._category] = net.labels

    def find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        """Look for what is wanted in each picture."""
        seen = [number for number, want in enumerate(wanted) if want.engine != "classical"]
        looked = self._net.find([pictures[each] for each in seen], [wanted[each] for each in seen]) if seen else []
        found = dict(zip(seen, looked, strict=True))
        for number, want in enumerate(wanted):
            if number not in found:
                found[number] = self._classically(pictures[number], want)
        return [found[number] for number in range(len(pictures))]

    def _classically(self, picture: Pixels, want: Wanted) -> Found:
        if want.categories is not None:
            want = replace(want, categories=frozenset((1,)) if self._category in want.categories else frozenset())
        [found] = self._classical.find([picture], [want])
        named = (replace(each, category=self._category) for each in found.instances)
        return replace(found, instances=named, by=self._classical)
