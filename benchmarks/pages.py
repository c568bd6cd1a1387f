"""Rendered pages: pictures of text whose words, reading order and rotation are known, for benchmarks and tests."""

from __future__ import annotations

import errno
import functools
import random
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spoolfarm.images import decode

ENGLISH = (
    "The ferry leaves the north quay at 06:45 and returns shortly after noon.",
    "A clerk counted 1,284 crates of oranges before the rain began.",
    "Nobody expected the old printing press to run for another forty years.",
    "Please sign both copies and send one back by 31 October 2024.",
    "Her notes describe the bridge as narrow, steep and almost always wet.",
    "The archive keeps maps, letters, ledgers and three boxes of glass plates.",
    "In spring the river rises by two metres and the lower road is closed.",
    "Invoices above $5,000 need a second signature from the treasurer.",
    "We walked past the brick kilns, the timber yard and a quiet chapel.",
    "Every lamp on the pier was lit by hand until electricity arrived in 1911.",
    "Temperature and humidity are recorded every hour (see table 7).",
    "The committee met twice, argued politely and postponed the decision.",
    "Mix one part lime with three parts sand, then add water slowly.",
    "Jim quickly realised that the beautiful gowns were expensive.",
    "Two engineers checked valves, pumps and gauges on the upper deck.",
    "Most visitors arrive by train and leave with a jar of honey.",
)
CHINESE = (
    "港口的渡轮每天早上六点四十五分出发，中午以后返回。",
    "仓库管理员清点了一千二百八十四箱橙子，随后开始下雨。",
    "这台旧印刷机已经运转了四十多年，至今仍然可靠。",
    "请在两份合同上签字，并于2024年10月31日前寄回一份。",
    "档案室保存着地图、书信、账簿和三箱玻璃底片。",
    "春天河水上涨两米，下游的道路因此封闭。",
    "超过五千元的发票需要财务主管再次签字。",
    "我们经过砖窑、木材场和一座安静的小教堂。",
    "码头上的路灯在通电之前一直由人工点亮。",
    "温度和湿度每小时记录一次，详见第七张表格。",
    "委员会开了两次会议，最后决定推迟表决。",
    "两名工程师检查了上层甲板的阀门、水泵和仪表。",
    "大多数游客乘火车来，离开时带走一罐蜂蜜。",
    "图书馆新买的书籍将在下个星期一开始借阅。",
)
GOODS = (
    ("Steel bolt M8 x 40", "钢制螺栓"),
    ("Oak board 2400 mm", "橡木板材"),
    ("Paper A4 80 g", "复印纸"),
    ("LED lamp 9 W", "节能灯泡"),
    ("Copper pipe 15 mm", "紫铜水管"),
    ("Safety gloves", "防护手套"),
    ("Paint, white, 5 l", "白色油漆"),
    ("Battery AA", "碱性电池"),
    ("Sand, 25 kg bag", "建筑用砂"),
    ("Screwdriver set", "螺丝刀组"),
)

Picture = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Page:
    """A picture of text. `rows` is what stands on it, in reading order; `rotation` its clockwise turn in degrees."""

    kind: str
    picture: Picture
    rows: tuple[str, ...]
    rotation: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def jpeg(self, quality: int = 90) -> bytes:
        """The page as a JPEG file."""
        return cv2.imencode(".jpg", self.picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@functools.cache
def font(family: str, size: int) -> ImageFont.FreeTypeFont:
    """Open the font *family* at *size* pixels. Raises FileNotFoundError when fontconfig has no such family."""
    found = subprocess.run(
        ["fc-match", "-f", "%{family}|%{file}|%{index}", family], capture_output=True, text=True, check=True
    ).stdout
    name, _, place = found.partition("|")
    if family not in name.split(","):
        raise FileNotFoundError(errno.ENOENT, "no such font; install fonts-noto-cjk and fonts-dejavu-core", family)
    file, index = place.split("|")
    return ImageFont.truetype(file, size, index=int(index))


class Sheet:
    """A page being written: black on white until it is told otherwise."""

    def __init__(self, width: int, height: int, paper: int = 255, ink: int = 20) -> None:
        self.image = Image.new("L", (width, height), paper)
        self.draw = ImageDraw.Draw(self.image)
        self.ink = ink
        self.rows: list[str] = []

    def write(self, x: float, y: float, text: str, face: ImageFont.FreeTypeFont) -> None:
        """Write *text* with its top left at (x, y), without making it a row."""
        self.draw.text((x, y), text, font=face, fill=self.ink)

    def row(self, y: float, cells: list[tuple[float, str]], face: ImageFont.FreeTypeFont) -> None:
        """Write one row of (x, text) cells."""
        for x, text in cells:
            self.write(x, y, text, face)
        self.rows.append(" ".join(text for _, text in cells))

    def flow(self, x: float, y: float, width: float, height: float, text: str, face: ImageFont.FreeTypeFont) -> None:
        """Fill a column with *text*, broken into rows, until the text or the height ends."""
        for line in wrapped(text, width, face):
            if y + face.size > height:
                break
            self.row(y, [(x, line)], face)
            y += face.size * 1.5

    def page(self, kind: str) -> Page:
        return Page(kind, cv2.cvtColor(np.asarray(self.image), cv2.COLOR_GRAY2BGR).astype(np.uint8), tuple(self.rows))


def wrapped(text: str, width: float, face: ImageFont.FreeTypeFont) -> list[str]:
    """Break *text* into lines of at most *width* pixels: at blanks, or anywhere when it has none."""
    glue = " " if " " in text else ""
    lines = [""]
    for piece in text.split(" ") if glue else text:
        longer = lines[-1] + glue + piece if lines[-1] else piece
        if face.getlength(longer) > width and lines[-1]:
            lines.append(piece)
        else:
            lines[-1] = longer
    return lines


def prose(rng: random.Random, sentences: tuple[str, ...], count: int) -> str:
    """*count* sentences by chance; Chinese ones follow each other without a blank."""
    return ("" if sentences is CHINESE else " ").join(rng.choices(sentences, k=count))


def english(rng: random.Random, width: int = 1240, height: int = 1240, size: int = 28) -> Page:
    sheet = Sheet(width, height)
    face = font(rng.choice(["DejaVu Sans", "DejaVu Serif"]), size)
    sheet.flow(90, 90, width - 180, height - 60, prose(rng, ENGLISH, 160), face)
    return sheet.page("english")


def chinese(rng: random.Random, width: int = 1240, height: int = 1240, size: int = 30) -> Page:
    sheet = Sheet(width, height)
    face = font(rng.choice(["Noto Sans CJK SC", "Noto Serif CJK SC"]), size)
    sheet.flow(90, 90, width - 180, height - 60, prose(rng, CHINESE, 60), face)
    return sheet.page("chinese")


def invoice(rng: random.Random) -> Page:
    sheet = Sheet(1240, 1100)
    title, face = font("Noto Sans CJK SC", 44), font("Noto Sans CJK SC", 26)
    sheet.row(70, [(430, "增值税发票 INVOICE")], title)
    sheet.row(160, [(90, f"No. {rng.randrange(10**7, 10**8)}"), (760, f"日期 2024-{rng.randrange(10, 13)}-27")], face)
    sheet.row(210, [(90, "Harbour Supply Ltd."), (760, "北京海港贸易有限公司")], face)
    columns = (90, 150, 520, 720, 850, 1010)
    sheet.row(300, list(zip(columns, ("No", "Item", "名称", "数量", "单价", "金额"), strict=True)), face)
    total = 0
    for number, (item, name) in enumerate(rng.sample(GOODS, 9), start=1):
        count, price = rng.randrange(1, 90), rng.randrange(100, 99999)
        total += count * price
        cells = (str(number), item, name, str(count), f"{price / 100:.2f}", f"{count * price / 100:,.2f}")
        y = 300 + number * 62
        sheet.draw.line((80, y - 14, 1160, y - 14), fill=130, width=2)
        sheet.row(y, list(zip(columns, cells, strict=True)), face)
    sheet.row(960, [(90, "合计 Total"), (1010, f"{total / 100:,.2f}")], face)
    return sheet.page("invoice")


def columns(rng: random.Random) -> Page:
    sheet = Sheet(1240, 1500)
    face = font("DejaVu Serif", 24)
    sheet.row(70, [(250, "News from the Harbour and the Hills")], font("DejaVu Serif", 40))
    for x in (80, 650):
        sheet.flow(x, 170, 510, 1440, prose(rng, ENGLISH, 40), face)
    return sheet.page("columns")


def dense(rng: random.Random) -> Page:
    page = english(rng, 1654, 2339, 22)
    return replace(page, kind="dense")


def big(rng: random.Random) -> Page:
    sheet = Sheet(3000, 4000)
    sheet.flow(220, 220, 2560, 2050, prose(rng, ENGLISH, 60), font("DejaVu Sans", 64))
    sheet.flow(220, 2200, 2560, 3840, prose(rng, CHINESE, 60), font("Noto Sans CJK SC", 68))
    return sheet.page("12 megapixels")


def small(rng: random.Random) -> Page:
    page = english(rng, 700, 700, 13)
    return replace(page, kind="small")


def noisy(rng: random.Random) -> Page:
    sheet = Sheet(1240, 1100, paper=190, ink=80)
    sheet.flow(90, 90, 1060, 560, prose(rng, ENGLISH, 20), font("DejaVu Sans", 28))
    sheet.flow(90, 600, 1060, 1040, prose(rng, CHINESE, 20), font("Noto Sans CJK SC", 30))
    page = sheet.page("noisy")
    grain = np.random.default_rng(rng.randrange(2**32)).normal(0, 28, page.picture.shape[:2])
    return replace(page, picture=np.clip(page.picture + grain[:, :, None], 0, 255).astype(np.uint8))


def skewed(rng: random.Random) -> Page:
    page = rng.choice([english, chinese])(rng)
    side = page.picture.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.choice([-7.0, 7.0]), 0.85)
    tilted = cv2.warpAffine(page.picture, turn, (side, side), flags=cv2.INTER_AREA, borderValue=(255, 255, 255))
    return replace(page, kind="skewed", picture=tilted.astype(np.uint8))


def turned(kind: Callable[[random.Random], Page], rotation: int, rng: random.Random) -> Page:
    page = kind(rng)
    picture = np.ascontiguousarray(np.rot90(page.picture, -rotation // 90))
    return replace(page, kind=f"{page.kind} turned {rotation}", picture=picture, rotation=rotation)


def photographed(kind: Callable[[random.Random], Page], rng: random.Random) -> Page:
    """A page photographed from the side in fading light, a little out of focus, as a poor JPEG."""
    page = kind(rng)
    height, width = page.picture.shape[:2]
    grain = np.random.default_rng(rng.randrange(2**32))
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    seen = 0.075 * corners[2] + 0.85 * (corners + grain.uniform(-0.05, 0.05, (4, 2)) * corners[2])
    view = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    picture = cv2.warpPerspective(page.picture, view, (width, height), borderValue=(70, 80, 90))
    light = np.linspace(1, 0.45, width)[None, :, None] * np.linspace(1, 0.8, height)[:, None, None]
    picture = np.clip(picture * light + grain.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)
    blurred = replace(page, picture=cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.uint8))
    return replace(page, kind=f"{page.kind} photographed", picture=decode(blurred.jpeg(quality=40)))


#: Every kind of page by name.
KINDS: dict[str, Callable[[random.Random], Page]] = {
    "english": english,
    "chinese": chinese,
    "invoice": invoice,
    "english turned 90": functools.partial(turned, english, 90),
    "invoice turned 90": functools.partial(turned, invoice, 90),
    "english turned 180": functools.partial(turned, english, 180),
    "chinese turned 180": functools.partial(turned, chinese, 180),
    "invoice turned 270": functools.partial(turned, invoice, 270),
    "skewed": skewed,
    "columns": columns,
    "columns photographed": functools.partial(photographed, columns),
    "invoice photographed": functools.partial(photographed, invoice),
    "noisy": noisy,
    "small": small,
    "dense": dense,
    "12 megapixels": big,
}


def render(kind: str, seed: int = 0) -> Page:
    """The page of *kind* that *seed* makes: the same picture every time."""
    return KINDS[kind](random.Random(f"{kind}/{seed}"))


def letters(text: str) -> str:
    """*text* as it is compared: one form of each character, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def edits(got: str, truth: str) -> int:
    """The least number of characters to insert, drop or replace (Levenshtein), a row at a time."""
    wanted = np.array([ord(letter) for letter in truth], np.int64)
    steps = np.arange(len(truth) + 1)
    row = steps.copy()
    for number, letter in enumerate(got, start=1):
        fresh = np.empty_like(row)
        fresh[0] = number
        fresh[1:] = np.minimum(row[1:] + 1, row[:-1] + (wanted != ord(letter)))
        row = np.minimum.accumulate(fresh - steps) + steps  # runs of insertions at once
    return int(row[-1])
