"""Dogs, cats and rabbits."""

from __future__ import annotations

from collections.abc import Callable

from .shapes import INK, bust, cheeks, collar, dot, eyes, line, mirrored, mouth, nose, oval, puffs, shape, slit_eyes

# Dogs


def dog(breed: int) -> str:
    return (beagle, corgi, poodle, terrier, collie, dachshund)[breed]()


def beagle() -> str:
    ear = shape("M122 118c-46 2-62 66-46 128c8 26 40 22 48-8c8-36 18-70 16-100z", "#8c5428")
    head = oval(200, 178, 92, 88, "#c17f45") + shape(
        "M200 92c-20 0-20 58-42 92c-14 22 4 72 42 72s56-50 42-72c-22-34-22-92-42-92z", "#fffaf2"
    )
    return (
        bust("#3c332f", "#fffaf2")
        + collar(268, "#d9473f")
        + mirrored(ear)
        + head
        + eyes(168, 42, 14)
        + cheeks(206, 66)
        + nose(204)
        + mouth(226, 22, "#ef8d8d")
    )


def corgi() -> str:
    ear = shape("M108 166c-22-56-24-98-14-122c34 10 66 42 78 76z", "#d98841") + shape(
        "M114 138c-12-34-14-58-9-72c20 10 38 30 46 52z", "#f6c9ae"
    )
    head = shape("M200 92c64 0 100 44 100 92c0 46-50 78-100 78s-100-32-100-78c0-48 36-92 100-92z", "#e29a52")
    blaze = shape("M200 92c-12 0-14 46-30 76c-36 18-42 94 30 94s66-76 30-94c-16-30-18-76-30-76z", "#fffaf2")
    return (
        bust("#e29a52", "#fffaf2")
        + collar(270, "#3f7fb5")
        + mirrored(ear)
        + head
        + blaze
        + eyes(172, 46, 14)
        + cheeks(208, 72)
        + nose(206)
        + mouth(228, 22, "#ef8d8d")
    )


def poodle() -> str:
    coat, deep = "#e8c4a0", "#d9ad82"
    ears = mirrored(puffs(104, 206, 20, 44, deep, 9, 20))
    return (
        bust(coat, "#f1d6ba")
        + puffs(200, 300, 60, 18, coat, 11, 24)
        + ears
        + oval(200, 186, 78, 84, "#f1d6ba")
        + puffs(200, 102, 56, 26, coat, 11, 26)
        + eyes(178, 36, 13)
        + cheeks(212, 54)
        + nose(210, INK, 19)
        + mouth(230, 19)
        + shape("M232 66l30-18v36zM232 66l-30-18v36z", "#e0607a")
        + dot(232, 66, 8, "#c94863")
    )


def terrier() -> str:
    ear = shape("M116 132c-18-44-8-74 4-84c26 4 52 30 58 54z", "#a9a198") + shape("M116 84c18-8 44 4 60 26c-24 14-46 10-54 4z", "#8c847b")
    tufts = "".join(shape(f"M{120 + n * 26} 240q{6 + n} {44 + 10 * (n % 2)} 26 {40}q2-26 6-44z", "#f4efe6") for n in range(6))
    brows = mirrored(shape("M140 148q20-26 50-10q-18 22-50 10z", "#f4efe6"))
    return (
        bust("#b8b0a6", "#f4efe6")
        + collar(276, "#47906b")
        + mirrored(ear)
        + oval(200, 176, 88, 86, "#c9c1b7")
        + puffs(200, 226, 62, 26, "#f4efe6", 13, 18)
        + tufts
        + eyes(170, 38, 13)
        + brows
        + nose(204)
        + mouth(228, 20)
    )


def collie() -> str:
    ear = shape("M122 140c-20-44-18-76-8-92c20 6 40 22 52 42z", "#2f2a2b") + shape("M110 50c20 2 34 12 36 26c-16 8-30 4-38-4z", "#4b4344")
    head = shape("M200 88c56 0 92 38 92 84c0 54-44 92-92 92s-92-38-92-92c0-46 36-84 92-84z", "#2f2a2b")
    blaze = shape("M200 88c-16 0-12 54-30 84c-30 18-26 92 30 92s60-74 30-92c-18-30-14-84-30-84z", "#fffaf2")
    ruff = puffs(200, 310, 84, 40, "#fffaf2", 15, 24)
    return (
        bust("#2f2a2b", "#fffaf2")
        + ruff
        + mirrored(ear)
        + head
        + blaze
        + mirrored(oval(150, 206, 16, 12, "#b9743c"))
        + eyes(170, 44, 14, "#7d5230")
        + nose(206)
        + mouth(228, 20, "#ef8d8d")
    )


def dachshund() -> str:
    ear = shape("M120 116c-52 14-66 86-48 146c10 28 44 18 50-14c6-36 12-84 20-112z", "#5a2f1c")
    head = oval(200, 166, 82, 82, "#7b4427") + shape("M144 210c0-34 26-50 56-50s56 16 56 50c0 36-26 58-56 58s-56-22-56-58z", "#c98a54")
    brows = mirrored(oval(162, 132, 13, 8, "#c98a54", -14))
    return (
        bust("#7b4427", "#c98a54")
        + collar(280, "#efb341", "#d9473f")
        + mirrored(ear)
        + head
        + brows
        + eyes(158, 40, 14)
        + nose(206, INK, 26)
        + mouth(230, 22)
    )


# Cats


def cat(breed: int) -> str:
    cream, smoke = "#f3e6d2", "#5b463c"
    stripes = "".join(line(f"M{x} {y}v{h}", "#b5642a", 9) for x, y, h in ((200, 98, 34), (174, 104, 24), (226, 104, 24)))
    sides = mirrored(line("M112 190q18 2 30 10M112 214q16-2 28 2", "#b5642a", 8))
    plain: list[Callable[[], str]] = [
        lambda: _cat(cream, cream, smoke, "#5fb3e8", mask=oval(200, 212, 62, 56, smoke, 0, ' opacity=".86"')),
        lambda: (
            puffs(200, 320, 92, 40, "#d8b78f", 15, 26)
            + _cat("#9a7048", "#e6cda9", "#77512f", "#c9c14a", mask=_bars("#5d3f26") + _tufts("#77512f"), chin="#f0dcc0")
        ),
        lambda: _cat("#e79547", "#f7d3a6", "#d27f33", "#71b36a", mask=stripes + sides, chin="#fbe6cb"),
        lambda: puffs(200, 190, 92, 74, "#dcdde4", 19, 24) + _cat("#eceef3", "#fafafd", "#dcdde4", "#ef9b3a", flat=True),
        lambda: _cat("#d9a356", "#f4ddb4", "#b97f36", "#8fc34d", mask=_spots("#7a4a20") + _bars("#7a4a20"), chin="#f8e9cf"),
        lambda: (
            puffs(200, 312, 84, 34, "#fbf7f0", 15, 24)
            + _cat(
                "#fbf7f0",
                "#fff",
                "#8d8187",
                "#4f9fe0",
                mask=mirrored(shape("M196 96c-40-4-86 22-90 92c0 30 30 42 52 30c20-12 34-40 38-72z", "#a2979c")),
            )
        ),
    ]
    return plain[breed]()


def _cat(coat: str, chest: str, ear: str, iris: str, *, mask: str = "", chin: str = "", flat: bool = False) -> str:
    ears = mirrored(
        shape("M104 172c-14-60-10-106 2-124c34 12 66 42 80 70z", ear) + shape("M114 136c-6-34-4-56 2-68c20 10 38 26 46 44z", "#f2b5ae")
    )
    head = shape("M200 94c62 0 104 38 104 88c0 52-48 84-104 84s-104-32-104-84c0-50 42-88 104-88z", coat)
    low = 216 if flat else 206
    muzzle = oval(178, low + 18, 30, 24, chin, 0) + oval(222, low + 18, 30, 24, chin, 0) if chin else ""
    snout = (
        shape(f"M188 {low - 4}q12-7 24 0q-3 13-12 15q-9-2-12-15z", "#d9787a")
        + line(f"M200 {low + 10}v8")
        + line(f"M178 {low + 20}q12 14 22-2q10 16 22 2")
    )
    whiskers = mirrored(line(f"M138 {low + 12}q-36-10-62-4M138 {low + 24}q-34 2-58 14", "#3a2a2299", 3))
    return bust(coat, chest) + ears + head + mask + muzzle + slit_eyes(176, 48, iris) + cheeks(214, 74) + snout + whiskers


def _bars(colour: str) -> str:
    return line("M200 100v30M176 104q6 14 8 28M224 104q-6 14-8 28", colour, 9) + mirrored(
        line("M110 196q16 2 26 10M116 220q14-2 24 2", colour, 7)
    )


def _tufts(colour: str) -> str:
    return mirrored(line("M106 50l-8-24M110 48l2-20", colour, 6))


def _spots(colour: str) -> str:
    places = ((128, 150), (146, 128), (120, 184), (132, 330), (158, 366), (112, 372), (140, 232))
    return mirrored("".join(oval(x, y, 9, 7, colour, 30) for x, y in places))


# Rabbits


def rabbit(breed: int) -> str:
    coats = (
        ("#c99a6b", "#f6e7d3"),
        ("#fbf8f3", "#fff"),
        ("#faf7f2", "#fff"),
        ("#8a8f9c", "#b4b8c2"),
        ("#dcae78", "#f7e6cd"),
        ("#fdfbf7", "#fff"),
    )
    coat, chest = coats[breed]
    up = shape("M138 140C104 92 98 30 120 14c32-2 56 60 60 116z", coat) + shape(
        "M140 118C122 80 118 44 126 34c16 6 30 44 34 84z", "#f3b9b2"
    )
    lop = shape("M140 106C84 96 54 150 62 232c4 34 44 40 58 6c12-32 20-84 40-112z", "#b5834f") + shape(
        "M108 140c-24 20-30 60-26 92c6 16 20 14 26-2c6-30 10-62 20-84z", "#e8b9a0"
    )
    head = shape("M200 100c58 0 92 42 92 90c0 50-42 80-92 80s-92-30-92-80c0-48 34-90 92-90z", coat)
    marks = ""
    behind = ""
    if breed == 1:  # Dutch: dark ears and eyes, a white blaze
        up = up.replace(coat, "#3b3436")
        marks = mirrored(shape("M190 100c-52 2-82 40-82 90c0 20 8 38 20 52c30-22 56-80 62-142z", "#3b3436"))
    if breed == 2:  # Angora: a cloud
        behind = puffs(200, 330, 118, 60, "#f0ebe2", 19, 30) + mirrored(puffs(128, 40, 12, 16, coat, 8, 13))
        marks = puffs(200, 112, 46, 12, coat, 9, 18)
    if breed == 4:  # Lionhead: a mane
        behind = puffs(200, 200, 100, 84, "#c38f56", 21, 26)
    if breed == 5:  # Hotot: only the eyes are ringed
        marks = mirrored(oval(156, 178, 24, 25, "#2f2a2b"))
    ears = mirrored(lop) if breed == 0 else mirrored(up)
    low = 212
    snout = (
        oval(178, low + 18, 27, 22, "#fffc")
        + oval(222, low + 18, 27, 22, "#fffc")
        + shape(f"M186 {low}q14-9 28 0q-3 13-14 16q-11-3-14-16z", "#e58f92")
        + line(f"M200 {low + 14}v10M182 {low + 24}q10 12 18 0q8 12 18 0")
    )
    teeth = f'<rect x="191" y="{low + 29}" width="18" height="15" rx="4" fill="#fff" stroke="#3a2a2255" stroke-width="2"/>'
    whiskers = mirrored(line(f"M146 {low + 12}q-32-8-56-2M146 {low + 24}q-30 4-50 14", "#3a2a2277", 3))
    body = bust(coat, chest)
    carrot = (
        shape("M300 400q-26-50-6-74q24 0 34 22q2 26-28 52z", "#ee8a3c") + line("M312 328q6-22 26-26M306 326q0-24 12-34", "#6aa84f", 8)
        if breed in (0, 3, 5)
        else ""
    )
    iris = {1: "#a8714a", 2: "#4a86c5"}.get(breed, INK)
    return (
        (behind if breed != 4 else "")
        + body
        + (behind if breed == 4 else "")
        + ears
        + head
        + marks
        + eyes(178, 44, 16, iris)
        + cheeks(212, 70)
        + teeth
        + snout
        + whiskers
        + carrot
    )
