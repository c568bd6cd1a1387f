"""A batch of the task measure: one table for a folder."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.support.batch_folder import Bench
from tests.support.drawn_scenes import png
from tests.unit.tasks.segment.test_measure import DISCS, discs, sheet


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_has_one_table_and_a_resumed_batch_all_of_it(bench: Bench) -> None:
    bench.settings |= {"FARM_SEGMENT_MODEL": "classical"}
    (bench.path / "in" / "sub").mkdir()
    (bench.path / "in/a.png").write_bytes(png(discs()))
    (bench.path / "in/sub/b.png").write_bytes(png(discs()[:120]))
    (bench.path / "in/broken.png").write_bytes(png(discs())[:300])
    words = ("measure", "in", "-p", "mm_per_pixel=0.1", "-p", 'outputs=["xlsx","histogram"]', "--workers", "1")
    status, out, _ = bench.batch(*words)
    names = ("results.jsonl", "measures.csv", "measures.xlsx", "histogram.svg")
    assert (status, out) == (1, f"2 succeeded, 1 failed: {', '.join(f'measure-results/{name}' for name in names)}\n")
    folder = bench.path / "measure-results"
    table = rows(folder / "measures.csv")
    totals = {row["file"]: row["count"] for row in table if row["row"] == "total"}
    assert totals == {"a.png": str(len(DISCS)), "sub/b.png": "3"}
    assert sum(row["row"] == "object" for row in table) == len(DISCS) + 3
    assert len(sheet((folder / "measures.xlsx").read_bytes(), 1)) == 1 + len(table)
    assert f"{len(DISCS) + 3} objects" in (folder / "histogram.svg").read_text()
    assert (folder / "a.png.xlsx").is_file()
    (bench.path / "in/broken.png").write_bytes(png(discs()))
    status, _, _ = bench.batch(*words, "--resume")
    assert status == 0
    assert sorted(row["file"] for row in rows(folder / "measures.csv") if row["row"] == "total") == [
        "a.png",
        "broken.png",
        "sub/b.png",
    ]
