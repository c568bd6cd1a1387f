"""Errors by language beside Tesseract, on pages drawn with Debian's fonts: `python -m benchmarks.ocr_languages`.

Debian's fonts-dejavu-core, fonts-noto-core and fonts-noto-cjk draw the pages; Tesseract reads those languages whose
tesseract-ocr-* is installed, the others are passed over. Errors are edits per character without white space.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import pages
from benchmarks.measure import print_table
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.tesseract import installed, known

#: Pixels: the size of letters, the width and the margin of a page, and from one line to the next.
SIZE, WIDTH, MARGIN, STEP = 34, 1500, 90, 60
#: How often a page says its sentence.
TIMES = 3
DEJAVU, NOTO = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf", "/usr/share/fonts/truetype/noto"
#: With a language that is known, no other is looked for.
INSIDE = "eng"
CJK = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"


@dataclass(frozen=True)
class Language:
    """Tesseract's code, a font, and the words of a page."""

    code: str
    font: str
    text: str
    #: Whether lines run from right to left, and whether they break anywhere.
    leftwards: bool = False
    dense: bool = False


LANGUAGES = (
    Language("eng", DEJAVU, "The harbour master wrote down every ship that left before dawn, and who was on board."),
    Language("deu", DEJAVU, "Größere Äpfel und süße Öle fährt der Müller früh am Morgen über die schmale Brücke."),
    Language("fra", DEJAVU, "Où l'été s'achève, le maçon à l'œuvre préfère un thé brûlant, ça réchauffe la forêt."),
    Language("spa", DEJAVU, "El niño pidió café y azúcar en el jardín; ¿quién llegó después, según tu compañero?"),
    Language("pol", DEJAVU, "Późną jesienią żółte liście spadają na ścieżkę, a źródło wciąż bije pod mchem i łąką."),
    Language("ces", DEJAVU, "Příliš žluťoučký kůň pěl ďábelské ódy, když se řeka líně točila kolem města."),
    Language("hun", DEJAVU, "Az öreg hídőr hűvös estéken tüzet rakott, és gyűjtötte a régi történeteket."),
    Language("tur", DEJAVU, "Küçük ağaç gölgesinde oturan işçi, sıcak çayını içip dağların ışığını izledi."),
    Language("ron", DEJAVU, "Înainte de a pleca, țăranul și-a închis ușa și a luat pâinea caldă în straiță."),
    Language("vie", DEJAVU, "Buổi sáng mùa hạ, người thợ đóng thuyền uống chén trà nóng rồi bước ra bến sông rộng."),
    Language("ell", DEJAVU, "Το παλιό καΐκι έφυγε πριν από την αυγή, γεμάτο ψάρια, ελιές και ήσυχα τραγούδια."),
    Language("rus", DEJAVU, "Съешь же ещё этих мягких французских булок, да выпей чаю, сказал старый паромщик."),
    Language("ukr", DEJAVU, "Їжак у гаю знайшов ґрунтову стежку, а щука в річці чекала на свіжий вітер і дощ."),
    Language("bul", DEJAVU, "Жълтата лодка чакаше при кея, докато щъркелът летеше над полето и тихата река."),
    Language(
        "ara",
        f"{NOTO}/NotoNaskhArabic-Regular.ttf",
        "وصل القطار إلى المدينة قبل شروق الشمس وكان الناس في انتظاره على الرصيف",
        leftwards=True,
    ),
    Language(
        "heb",
        f"{NOTO}/NotoSansHebrew-Regular.ttf",
        "הספינה הישנה יצאה מן הנמל לפני עלות השחר ועליה ארגזים של תפוזים ולימונים",
        leftwards=True,
    ),
    Language(
        "hin",
        f"{NOTO}/NotoSansDevanagari-Regular.ttf",
        "पुरानी नाव सुबह होने से पहले नदी के किनारे से चली गई और लोग उसे देखते रहे",
    ),
    Language(
        "tha",
        f"{NOTO}/NotoSansThai-Regular.ttf",
        "เรือเก่าออกจากท่าก่อนรุ่งสางและผู้คนยืนมองดูจากริมแม่น้ำ",
    ),
    Language("kor", CJK, "오래된 배는 해가 뜨기 전에 항구를 떠났고 사람들은 강가에서 그것을 바라보았다"),
    Language("jpn", CJK, "古い船は夜明け前に港を出て、人々は川のほとりからそれを静かに見送りました。", dense=True),
    Language("chi_sim", CJK, "这艘旧船在天亮之前离开了港口，人们站在河边静静地看着它远去。", dense=True),
)


def page(language: Language) -> tuple[np.ndarray, list[str]]:
    """A page and its lines."""
    font = ImageFont.truetype(language.font, SIZE)
    words = list(language.text) if language.dense else language.text.split()
    blank = "" if language.dense else " "
    lines: list[str] = []
    for word in words * TIMES:
        longer = f"{lines[-1]}{blank}{word}" if lines else word
        if lines and font.getlength(longer) <= WIDTH - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    picture = Image.new("RGB", (WIDTH, 2 * MARGIN + STEP * len(lines)), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        x = WIDTH - MARGIN - font.getlength(line) if language.leftwards else MARGIN
        draw.text((x, MARGIN + STEP * number), line, "black", font, direction="rtl" if language.leftwards else "ltr")
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]), lines


def error(got: str, lines: Sequence[str]) -> float:
    wanted = pages.letters("".join(lines))
    return min(1.0, pages.edits(pages.letters(got), wanted) / len(wanted))


def by_tesseract(picture: np.ndarray, code: str) -> str:
    data = cv2.imencode(".png", picture)[1].tobytes()
    command = ["tesseract", "stdin", "stdout", "-l", code, "--psm", "3", "--dpi", "200"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    return subprocess.run(command, input=data, capture_output=True, check=True, env=environment).stdout.decode()


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    there, reader = installed(), Reader()
    rows = []
    for language in LANGUAGES:
        picture, lines = page(language)
        inside = f"{error(reader.read(picture, lang=INSIDE).text, lines):.3f}"
        unasked = f"{error(reader.read(picture).text, lines):.3f}"
        if language.code not in there:
            rows.append([language.code, inside, unasked, "-", "-"])
            continue
        asked = reader.read(picture, lang=language.code).text
        told = "" if known(language.code) else f"{error(asked, lines):.3f}"
        rows.append([language.code, inside, unasked, told, f"{error(by_tesseract(picture, language.code), lines):.3f}"])
    print_table(["language", "inside", "unasked", "with lang", "tesseract"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
