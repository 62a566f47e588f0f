"""Draw the pet store's illustrations: six breeds of six species as SVG, a logo and an empty basket, always the same.

    python demo-petstore/art.py          writes demo-petstore/public/art/*.svg
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

TARGET = Path(__file__).parent / "public" / "art"
INK = "#3a2a22"
GROUNDS = {  # background, disc behind the animal, small shapes
    "dog": (("#fde8d4", "#f9d0ab", "#f3b888"), ("#e4effa", "#c5dcf2", "#a5c6e6"), ("#fbe3e4", "#f5c5c8", "#eaa6ab")),
    "cat": (("#eee7f8", "#d9cbf0", "#c2aee4"), ("#e2f1ea", "#bfe0d0", "#9fcdb8"), ("#fdeccd", "#f9d896", "#efc36b")),
    "bird": (("#e0f1f8", "#bbdfee", "#95cbe1"), ("#fdf0cf", "#f8dd98", "#edc665"), ("#fbe4ec", "#f4c3d4", "#e8a2bb")),
    "fish": (("#d7eef5", "#aeddeb", "#7fc6db"), ("#d9f0ea", "#aadfd1", "#7dcab6"), ("#dde6f8", "#bccdf0", "#98b0e4")),
    "rabbit": (("#e9f3dc", "#cfe3b3", "#b2d08b"), ("#fce5ee", "#f6c6da", "#eaa5c2"), ("#fdecd8", "#f8d3a9", "#eeb87f")),
    "reptile": (("#fbf0cd", "#f4dd94", "#e6c562"), ("#e3f2df", "#c2e0ba", "#a0cd95"), ("#fbe5d6", "#f4c7a9", "#e8a97f")),
}


# Shapes


def oval(x: float, y: float, rx: float, ry: float, fill: str, turn: float = 0, more: str = "") -> str:
    turned = f' transform="rotate({turn:g} {x:g} {y:g})"' if turn else ""
    return f'<ellipse cx="{x:g}" cy="{y:g}" rx="{rx:g}" ry="{ry:g}" fill="{fill}"{turned}{more}/>'


def dot(x: float, y: float, r: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{round(x, 1):g}" cy="{round(y, 1):g}" r="{round(r, 1):g}" fill="{fill}"{more}/>'


def shape(d: str, fill: str, more: str = "") -> str:
    return f'<path d="{d}" fill="{fill}"{more}/>'


def line(d: str, colour: str = INK, width: float = 5) -> str:
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linecap="round" stroke-linejoin="round"/>'


def mirrored(part: str) -> str:
    """The part and its mirror image about the middle."""
    return f'{part}<g transform="matrix(-1 0 0 1 400 0)">{part}</g>'


def puffs(x: float, y: float, rx: float, ry: float, fill: str, count: int, r: float) -> str:
    """A cloud: circles around an ellipse, and the ellipse itself."""
    around = (
        dot(x + rx * math.cos(a), y + ry * math.sin(a), r * (1 + 0.12 * (n % 2)), fill)
        for n in range(count)
        for a in [2 * math.pi * n / count]
    )
    return "".join(around) + oval(x, y, rx + r / 2, ry + r / 2, fill)


def eye(x: float, y: float, r: float, iris: str = INK) -> str:
    pupil = "" if iris == INK else dot(x, y, r * 0.55, "#1f1713")
    return dot(x, y, r, iris) + pupil + dot(x + r * 0.32, y - r * 0.36, r * 0.3, "#fff")


def eyes(y: float, apart: float, r: float, iris: str = INK) -> str:
    return eye(200 - apart, y, r, iris) + eye(200 + apart, y, r, iris)


def slit_eyes(y: float, apart: float, iris: str) -> str:
    def one(x: float) -> str:
        return oval(x, y, 19, 21, iris) + oval(x, y, 7.5, 17, "#1f1713") + dot(x + 6, y - 8, 5, "#fff")

    return one(200 - apart) + one(200 + apart)


def cheeks(y: float, apart: float, colour: str = "#f08a7a") -> str:
    return "".join(oval(200 + side * apart, y, 17, 10, colour, 0, ' opacity=".4"') for side in (-1, 1))


def mouth(y: float, width: float = 24, tongue: str = "") -> str:
    lick = shape(f"M{200 - 12} {y + 8}q0 26 12 26t12-26z", tongue) if tongue else ""
    return lick + line(f"M{200 - width} {y}q{width / 2:g} 15 {width} 0q{width / 2:g} 15 {width} 0")


def collar(y: float, colour: str, tag: str = "#f4c34d") -> str:
    return line(f"M138 {y}q62 34 124 0", colour, 17) + dot(200, y + 32, 13, tag) + dot(200, y + 32, 4, "#0003")


def ground(kind: str, breed: int) -> str:
    """Background: a disc of a neighbouring colour and a few quiet shapes, the same for ever."""
    pale, disc, shapes = GROUNDS[kind][breed % 3]
    rng = random.Random(f"{kind}-{breed}")  # noqa: S311  (decoration)
    bits = []
    for n in range(7):
        angle = 2 * math.pi * n / 7 + rng.uniform(-0.3, 0.3)
        x, y = 200 + 178 * math.cos(angle), 190 + 168 * math.sin(angle)
        size = rng.uniform(5, 11)
        if n % 3 == 0:
            bits.append(line(f"M{x - size:.0f} {y:.0f}h{2 * size:.0f}M{x:.0f} {y - size:.0f}v{2 * size:.0f}", shapes, 4))
        else:
            bits.append(dot(round(x), round(y), size * 0.7, shapes))
    return f'<rect width="400" height="400" fill="{pale}"/>' + dot(200, 205, 150, disc) + "".join(bits)


# Dogs


def dog(breed: int) -> str:
    return (beagle, corgi, poodle, terrier, collie, dachshund)[breed]()


def bust(coat: str, chest: str) -> str:
    return shape("M92 400c4-86 40-128 108-128s104 42 108 128z", coat) + shape("M148 400c2-58 20-92 52-92s50 34 52 92z", chest)


def nose(y: float, colour: str = INK, width: float = 23) -> str:
    return shape(f"M{200 - width} {y}q0-13 {width} -13t{width} 13q-6 19 -{width} 21q-17 -2 -{width} -21z", colour) + oval(194, y - 5, 6, 3, "#fff6")


def beagle() -> str:
    ear = shape("M122 118c-46 2-62 66-46 128c8 26 40 22 48-8c8-36 18-70 16-100z", "#8c5428")
    head = oval(200, 178, 92, 88, "#c17f45") + shape("M200 92c-20 0-20 58-42 92c-14 22 4 72 42 72s56-50 42-72c-22-34-22-92-42-92z", "#fffaf2")
    return bust("#3c332f", "#fffaf2") + collar(268, "#d9473f") + mirrored(ear) + head + eyes(168, 42, 14) + cheeks(206, 66) + nose(204) + mouth(226, 22, "#ef8d8d")


def corgi() -> str:
    ear = shape("M108 166c-22-56-24-98-14-122c34 10 66 42 78 76z", "#d98841") + shape("M114 138c-12-34-14-58-9-72c20 10 38 30 46 52z", "#f6c9ae")
    head = shape("M200 92c64 0 100 44 100 92c0 46-50 78-100 78s-100-32-100-78c0-48 36-92 100-92z", "#e29a52")
    blaze = shape("M200 92c-12 0-14 46-30 76c-36 18-42 94 30 94s66-76 30-94c-16-30-18-76-30-76z", "#fffaf2")
    return bust("#e29a52", "#fffaf2") + collar(270, "#3f7fb5") + mirrored(ear) + head + blaze + eyes(172, 46, 14) + cheeks(208, 72) + nose(206) + mouth(228, 22, "#ef8d8d")


def poodle() -> str:
    coat, deep = "#e8c4a0", "#d9ad82"
    ears = mirrored(puffs(104, 206, 20, 44, deep, 9, 20))
    return bust(coat, "#f1d6ba") + puffs(200, 300, 60, 18, coat, 11, 24) + ears + oval(200, 186, 78, 84, "#f1d6ba") + puffs(200, 102, 56, 26, coat, 11, 26) + eyes(178, 36, 13) + cheeks(212, 54) + nose(210, INK, 19) + mouth(230, 19) + shape("M232 66l30-18v36zM232 66l-30-18v36z", "#e0607a") + dot(232, 66, 8, "#c94863")


def terrier() -> str:
    ear = shape("M116 132c-18-44-8-74 4-84c26 4 52 30 58 54z", "#a9a198") + shape("M116 84c18-8 44 4 60 26c-24 14-46 10-54 4z", "#8c847b")
    tufts = "".join(shape(f"M{120 + n * 26} 240q{6 + n} {44 + 10 * (n % 2)} 26 {40}q2-26 6-44z", "#f4efe6") for n in range(6))
    brows = mirrored(shape("M140 148q20-26 50-10q-18 22-50 10z", "#f4efe6"))
    return bust("#b8b0a6", "#f4efe6") + collar(276, "#47906b") + mirrored(ear) + oval(200, 176, 88, 86, "#c9c1b7") + puffs(200, 226, 62, 26, "#f4efe6", 13, 18) + tufts + eyes(170, 38, 13) + brows + nose(204) + mouth(228, 20)


def collie() -> str:
    ear = shape("M122 140c-20-44-18-76-8-92c20 6 40 22 52 42z", "#2f2a2b") + shape("M110 50c20 2 34 12 36 26c-16 8-30 4-38-4z", "#4b4344")
    head = shape("M200 88c56 0 92 38 92 84c0 54-44 92-92 92s-92-38-92-92c0-46 36-84 92-84z", "#2f2a2b")
    blaze = shape("M200 88c-16 0-12 54-30 84c-30 18-26 92 30 92s60-74 30-92c-18-30-14-84-30-84z", "#fffaf2")
    ruff = puffs(200, 310, 84, 40, "#fffaf2", 15, 24)
    return bust("#2f2a2b", "#fffaf2") + ruff + mirrored(ear) + head + blaze + mirrored(oval(150, 206, 16, 12, "#b9743c")) + eyes(170, 44, 14, "#7d5230") + nose(206) + mouth(228, 20, "#ef8d8d")


def dachshund() -> str:
    ear = shape("M120 116c-52 14-66 86-48 146c10 28 44 18 50-14c6-36 12-84 20-112z", "#5a2f1c")
    head = oval(200, 166, 82, 82, "#7b4427") + shape("M144 210c0-34 26-50 56-50s56 16 56 50c0 36-26 58-56 58s-56-22-56-58z", "#c98a54")
    brows = mirrored(oval(162, 132, 13, 8, "#c98a54", -14))
    return bust("#7b4427", "#c98a54") + collar(280, "#efb341", "#d9473f") + mirrored(ear) + head + brows + eyes(158, 40, 14) + nose(206, INK, 26) + mouth(230, 22)


# Cats


def cat(breed: int) -> str:
    cream, smoke = "#f3e6d2", "#5b463c"
    stripes = "".join(line(f"M{x} {y}v{h}", "#b5642a", 9) for x, y, h in ((200, 98, 34), (174, 104, 24), (226, 104, 24)))
    sides = mirrored(line("M112 190q18 2 30 10M112 214q16-2 28 2", "#b5642a", 8))
    plain: list[Callable[[], str]] = [
        lambda: _cat(cream, cream, smoke, "#5fb3e8", mask=oval(200, 212, 62, 56, smoke, 0, ' opacity=".86"')),
        lambda: puffs(200, 320, 92, 40, "#d8b78f", 15, 26) + _cat("#9a7048", "#e6cda9", "#77512f", "#c9c14a", mask=_bars("#5d3f26") + _tufts("#77512f"), chin="#f0dcc0"),
        lambda: _cat("#e79547", "#f7d3a6", "#d27f33", "#71b36a", mask=stripes + sides, chin="#fbe6cb"),
        lambda: puffs(200, 190, 92, 74, "#dcdde4", 19, 24) + _cat("#eceef3", "#fafafd", "#dcdde4", "#ef9b3a", flat=True),
        lambda: _cat("#d9a356", "#f4ddb4", "#b97f36", "#8fc34d", mask=_spots("#7a4a20") + _bars("#7a4a20"), chin="#f8e9cf"),
        lambda: puffs(200, 312, 84, 34, "#fbf7f0", 15, 24) + _cat("#fbf7f0", "#fff", "#8d8187", "#4f9fe0", mask=mirrored(shape("M196 96c-40-4-86 22-90 92c0 30 30 42 52 30c20-12 34-40 38-72z", "#a2979c"))),
    ]
    return plain[breed]()


def _cat(coat: str, chest: str, ear: str, iris: str, *, mask: str = "", chin: str = "", flat: bool = False) -> str:
    ears = mirrored(shape("M104 172c-14-60-10-106 2-124c34 12 66 42 80 70z", ear) + shape("M114 136c-6-34-4-56 2-68c20 10 38 26 46 44z", "#f2b5ae"))
    head = shape("M200 94c62 0 104 38 104 88c0 52-48 84-104 84s-104-32-104-84c0-50 42-88 104-88z", coat)
    low = 216 if flat else 206
    muzzle = oval(178, low + 18, 30, 24, chin, 0) + oval(222, low + 18, 30, 24, chin, 0) if chin else ""
    snout = shape(f"M188 {low - 4}q12-7 24 0q-3 13-12 15q-9-2-12-15z", "#d9787a") + line(f"M200 {low + 10}v8") + line(f"M178 {low + 20}q12 14 22-2q10 16 22 2")
    whiskers = mirrored(line(f"M138 {low + 12}q-36-10-62-4M138 {low + 24}q-34 2-58 14", "#3a2a2299", 3))
    return bust(coat, chest) + ears + head + mask + muzzle + slit_eyes(176, 48, iris) + cheeks(214, 74) + snout + whiskers


def _bars(colour: str) -> str:
    return line("M200 100v30M176 104q6 14 8 28M224 104q-6 14-8 28", colour, 9) + mirrored(line("M110 196q16 2 26 10M116 220q14-2 24 2", colour, 7))


def _tufts(colour: str) -> str:
    return mirrored(line("M106 50l-8-24M110 48l2-20", colour, 6))


def _spots(colour: str) -> str:
    places = ((128, 150), (146, 128), (120, 184), (132, 330), (158, 366), (112, 372), (140, 232))
    return mirrored("".join(oval(x, y, 9, 7, colour, 30) for x, y in places))


# Birds


def bird(breed: int) -> str:
    kinds = (
        ("#7cc35a", "#f6e05c", "#4f9e3c", "#e9b23e"),
        ("#f7d23e", "#fbe789", "#e5b325", "#ef9d55"),
        ("#a9adb5", "#f3e07a", "#868b95", "#8d8f97"),
        ("#8f97a3", "#f4efe6", "#6d7480", "#e2582e"),
        ("#63b765", "#f29274", "#3f9458", "#eadfc7"),
        ("#2f7fc8", "#f7c93b", "#1e5ea3", "#3a3638"),
    )
    body, face, wing, beak = kinds[breed]
    branch = line("M30 330q170 22 340-14", "#8b5e3c", 16) + oval(330, 300, 26, 12, "#7fb069", -28) + oval(66, 312, 24, 11, "#7fb069", 24)
    tail = shape("M190 290l-20 108h30l22-92zM212 290l4 104h26l-6-106z", wing)
    torso = shape("M200 78c62 0 92 54 92 128c0 74-40 124-92 124s-92-50-92-124c0-74 30-128 92-128z", body)
    breast = oval(200, 250, 62, 68, face if breed in (1, 3, 5) else body)
    wings = mirrored(shape("M124 178c-34 40-30 104 8 134c28-24 36-92 20-132z", wing) + line("M122 226q12 8 22 4M120 256q12 8 22 2M126 284q8 4 14 0", "#0003", 4))
    feet = mirrored(line("M176 330v10M168 340h18", "#d99a5b", 7))
    look = eyes(150, 40, 15) + cheeks(178, 62)
    bill = shape("M178 162q22-18 44 0q-4 34-22 42q-18-8-22-42z", beak) + line("M182 178q18 8 36 0", "#0003", 3)
    if breed in (1, 3):
        bill = shape("M182 166q18-12 36 0q-6 18-18 26q-12-8-18-26z", beak)
    extra = {
        0: oval(200, 150, 74, 66, face) + "".join(line(f"M{x} {y}q10 8 20 2", "#3a2a22aa", 4) for x, y in ((120, 118), (130, 102), (260, 118), (250, 102))) + oval(178, 200, 8, 10, "#3f6fc4") + oval(222, 200, 8, 10, "#3f6fc4"),
        1: "",
        2: oval(200, 152, 74, 66, face) + line("M200 92q-4-44 26-62M196 92q-16-36 0-62M204 94q8-26 30-36", "#f3d94f", 9) + mirrored(dot(142, 176, 19, "#f0884a")),
        3: mirrored(oval(142, 178, 21, 17, "#d9793f")) + line("M150 218q50 20 100 0", INK, 7),
        4: oval(200, 156, 76, 68, face) + mirrored(dot(160, 150, 23, "#fff")),
        5: oval(200, 152, 70, 58, "#fffaf2") + mirrored(line("M140 138h24M136 152h20M140 166h22", "#3a2a2288", 3)) + shape("M132 116q68-64 136 0q-68-22-136 0z", "#4fae5a"),
    }[breed]
    return branch + tail + torso + breast + wings + feet + extra + look + bill


# Fish


def fish(breed: int) -> str:
    water = "".join(dot(x, y, r, "#fff", ' opacity=".6"') for x, y, r in ((318, 104, 12), (338, 72, 8), (310, 54, 6), (70, 128, 7)))
    weed = line("M52 400q-16-40 4-72t-4-64", "#5fa777", 12) + line("M350 400q18-34-2-64t6-50", "#4f9468", 12) + shape("M0 372q100-26 200-6t200-8v42H0z", "#e9d3a4")
    return water + weed + (betta, goldfish, guppy, angelfish, koi, tetra)[breed]()


def swimmer(body: str, belly: str, x: float = 232, y: float = 200, rx: float = 92, ry: float = 58) -> str:
    """A fish that looks to the right."""
    face = eye(x + rx * 0.56, y - 10, 14) + line(f"M{x + rx - 16} {y + 18}q-12 10-22 2") + oval(x + rx * 0.42, y + 14, 12, 8, "#f08a7a", 0, ' opacity=".5"')
    return oval(x, y, rx, ry, body) + shape(f"M{x - rx * 0.9:g} {y + 14}q{rx * 0.9:g} {ry * 0.9:g} {rx * 1.8:g} 0q-20 {ry * 0.74:g}-{rx * 0.9:g} {ry * 0.76:g}t-{rx * 0.9:g}-{ry * 0.76:g}z", belly, ' opacity=".75"') + line(f"M{x + rx * 0.24:g} {y - ry * 0.62:g}q18 {ry * 0.62:g} 0 {ry * 1.22:g}", "#0002", 5) + face


def betta() -> str:
    fins = shape("M170 196C120 96 50 84 34 120c30 24 12 44-4 76c24 16 20 40-2 76c40 30 110 0 150-70z", "#8e5bd0") + shape("M180 158c-6-60 40-108 96-104c-10 30 8 52 14 96z", "#a878e0") + shape("M190 246c-30 50-10 104 40 122c0-40 40-60 56-118z", "#8e5bd0")
    rays = line("M60 136q60 20 104 58M44 196h110M62 262q56-16 100-58M214 152q4-44 40-76M226 256q-14 50 0 84", "#6d3fb055", 5)
    return fins + rays + swimmer("#7546bd", "#c58df0")


def goldfish() -> str:
    fins = shape("M160 200C120 130 70 118 44 140c26 26 26 40 20 60c10 22 6 40-16 62c36 18 84 6 112-62z", "#f7a452") + shape("M196 150q30-56 92-34q-8 26-14 40z", "#f7a452") + shape("M220 250q-8 44-44 56q-6-40 14-66z", "#f7a452")
    scales = "".join(line(f"M{x} {y}q10 12 20 0", "#d9691f66", 4) for x, y in ((190, 180), (214, 180), (178, 202), (202, 202), (226, 202), (190, 224), (214, 224)))
    return fins + swimmer("#ee7f2d", "#fbc98a", 232, 200, 96, 68) + scales


def guppy() -> str:
    tail = shape("M186 200C130 90 60 96 40 130c14 20 8 50 14 70c-6 24 0 48-12 72c24 30 92 30 144-72z", "#3aa7b8") + "".join(dot(x, y, 9, c) for x, y, c in ((84, 148, "#f2c14e"), (112, 176, "#ef6a5a"), (76, 200, "#f2c14e"), (108, 226, "#ef6a5a"), (80, 252, "#f2c14e"), (130, 200, "#1f6f8b")))
    return tail + shape("M214 160q14-50 66-50q-4 30-12 54z", "#55bccb") + swimmer("#8fd3c8", "#e6f7ef", 244, 202, 78, 44) + oval(226, 196, 30, 12, "#ef6a5a", 0, ' opacity=".7"')


def angelfish() -> str:
    body = shape("M110 200C150 110 240 100 322 200C240 300 150 290 110 200z", "#f4efe2") + shape("M176 130C170 70 140 34 112 20c4 60 20 96 40 130z", "#f7c93b") + shape("M176 270c-6 60-36 96-64 110c4-60 20-96 40-130z", "#f7c93b") + shape("M122 200L56 138q14 60 0 124z", "#f7c93b")
    bars = shape("M172 134q-24 66 0 132l28 10q-26-76 0-150zM232 122q-14 78 0 156l26-10q-14-70 0-138z", "#3a3638")
    return body + bars + eye(282, 190, 14) + line("M318 204q-14 8-22 2") + oval(268, 216, 11, 7, "#f08a7a", 0, ' opacity=".5"')


def koi() -> str:
    fins = shape("M156 200C120 150 84 142 54 150c24 30 24 70 0 100c34 8 66-4 102-50z", "#fbeee0") + shape("M200 150q34-40 84-20l-14 26z", "#fbeee0") + shape("M214 246q-6 40-40 48q-4-36 14-60z", "#fbeee0")
    patches = shape("M162 168q40-34 74-26q8 34-30 44q-30 4-44-18z", "#e8552f") + oval(196, 226, 26, 15, "#e8552f", -12) + shape("M268 150q34 8 44 34q-26 6-42-8z", "#e8552f")
    return fins + swimmer("#fffaf4", "#fff", 234, 200, 100, 58) + patches + line("M318 214q10 14 4 26M306 222q2 14-8 22", "#cfa98a", 4) + eye(290, 190, 14)


def tetra() -> str:
    def one(x: float, y: float, size: float) -> str:
        small = shape("M-62 0L-104-34q10 34 0 68z", "#e2574c") + oval(0, 0, 76, 34, "#dfe7ee") + shape("M-70-2Q0-22 62-14L66-2Q0-8-70 6z", "#27a3e0") + shape("M-66 8Q-20 2 22 6Q-4 34-40 26z", "#e2574c") + eye(46, -6, 11) + line("M70 8q-8 6-14 2", INK, 4)
        return f'<g transform="translate({x:g} {y:g}) scale({size:g})">{small}</g>'

    return one(226, 124, 0.86) + one(196, 212, 1.24) + one(256, 302, 0.8)


# Rabbits


def rabbit(breed: int) -> str:
    coats = (("#c99a6b", "#f6e7d3"), ("#fbf8f3", "#fff"), ("#faf7f2", "#fff"), ("#8a8f9c", "#b4b8c2"), ("#dcae78", "#f7e6cd"), ("#fdfbf7", "#fff"))
    coat, chest = coats[breed]
    up = shape("M138 140C104 92 98 30 120 14c32-2 56 60 60 116z", coat) + shape("M140 118C122 80 118 44 126 34c16 6 30 44 34 84z", "#f3b9b2")
    lop = shape("M140 106C84 96 54 150 62 232c4 34 44 40 58 6c12-32 20-84 40-112z", "#b5834f") + shape("M108 140c-24 20-30 60-26 92c6 16 20 14 26-2c6-30 10-62 20-84z", "#e8b9a0")
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
    snout = oval(178, low + 18, 27, 22, "#fffc") + oval(222, low + 18, 27, 22, "#fffc") + shape(f"M186 {low}q14-9 28 0q-3 13-14 16q-11-3-14-16z", "#e58f92") + line(f"M200 {low + 14}v10M182 {low + 24}q10 12 18 0q8 12 18 0")
    teeth = f'<rect x="191" y="{low + 29}" width="18" height="15" rx="4" fill="#fff" stroke="#3a2a2255" stroke-width="2"/>'
    whiskers = mirrored(line(f"M146 {low + 12}q-32-8-56-2M146 {low + 24}q-30 4-50 14", "#3a2a2277", 3))
    body = bust(coat, chest)
    carrot = shape("M300 400q-26-50-6-74q24 0 34 22q2 26-28 52z", "#ee8a3c") + line("M312 328q6-22 26-26M306 326q0-24 12-34", "#6aa84f", 8) if breed in (0, 3, 5) else ""
    iris = {1: "#a8714a", 2: "#4a86c5"}.get(breed, INK)
    return (behind if breed != 4 else "") + body + (behind if breed == 4 else "") + ears + head + marks + eyes(178, 44, 16, iris) + cheeks(212, 70) + teeth + snout + whiskers + carrot


# Reptiles


def reptile(breed: int) -> str:
    return (gecko, tortoise, chameleon, iguana, skink, snake)[breed]()


def gecko() -> str:
    spots = ((150, 156), (176, 132), (226, 132), (252, 156), (200, 150), (140, 320), (170, 352), (234, 350), (262, 318), (200, 330), (118, 366), (284, 368))
    body = shape("M100 400c2-90 40-140 100-140s98 50 100 140z", "#f4c54f") + shape("M150 400c2-60 20-96 50-96s48 36 50 96z", "#fdeeba")
    head = shape("M200 92c54 0 110 40 118 100c4 46-62 82-118 82S78 238 82 192c8-60 64-100 118-100z", "#f6cd5e")
    dark = "".join(oval(x, y, 10, 8, "#7b5a2b", (n * 37) % 60) for n, (x, y) in enumerate(spots))
    hands = mirrored(shape("M92 352q-40-14-50 10q24-4 20 10q-16 2-14 16q20-4 24 8h40z", "#f6cd5e"))
    return hands + body + head + dark + mirrored(dot(132, 176, 30, "#e9b63c")) + slit_eyes(176, 68, "#e8792f") + line("M116 226q84 46 168 0") + mirrored(oval(188, 208, 4, 3, INK)) + cheeks(222, 88)


def tortoise() -> str:
    grass = shape("M0 356q200-26 400 0v44H0z", "#a9cc7c")
    shell = shape("M52 344c0-150 60-236 148-236s148 86 148 236z", "#8d6b3d")
    plates = mirrored(shape("M192 124v66l-52 26l-44-30c16-34 52-58 96-62z", "#b3905a") + shape("M88 204l42 28l-8 66l-58 12c0-40 8-76 24-106z", "#b3905a"))
    feet = mirrored(shape("M108 372c-8-52 8-84 44-84s44 40 36 84q-40 14-80 0z", "#86a862") + line("M128 372v-10M146 375v-10M164 374v-10", "#5f7f42", 5))
    rim = line("M58 338q142 34 284 0", "#6f5230", 20)
    head = shape("M200 176c52 0 86 34 86 78c0 44-40 70-86 70s-86-26-86-70c0-44 34-78 86-78z", "#9cc072")
    crown = oval(200, 196, 26, 10, "#86a862") + mirrored(oval(150, 214, 12, 7, "#86a862", -34))
    face = eyes(244, 46, 16) + line("M152 282q48 30 96 0") + mirrored(oval(189, 262, 4, 3, INK)) + cheeks(274, 66)
    return grass + shell + plates + rim + feet + head + crown + face


def chameleon() -> str:
    branch = line("M-10 316q210 34 420-20", "#8b5e3c", 18) + oval(66, 290, 28, 13, "#7fb069", -20) + oval(352, 268, 26, 12, "#7fb069", 24)
    tail = line("M112 270c-52 14-72 62-44 88c24 20 58 0 50-26c-8-18-32-14-32 4", "#4fae83", 22)
    body = shape("M96 276c0-90 60-146 130-140c30-46 80-42 118 8c34 44 4 84-48 88c-30 52-90 74-200 44z", "#5cc094") + shape("M130 270c20-46 70-66 136-48c-24 40-70 58-136 48z", "#bfe8c8")
    bands = line("M150 176q14 40 2 78M186 152q18 46 4 96M222 142q14 40 2 78", "#2f8f80aa", 11)
    crest = shape("M222 138q30-70 86-40q-30 10-42 34z", "#46a681")
    head = dot(296, 150, 31, "#8fd9b3") + dot(300, 148, 19, "#f2b84b") + eye(304, 147, 12) + line("M352 190q-30 26-72 14")
    feet = shape("M150 268q-6 40-22 54q26 10 44-6l4-46zM238 246q4 44-6 64q28 4 42-14l-6-56z", "#4fae83")
    return branch + tail + feet + body + bands + crest + head + oval(280, 196, 13, 8, "#f08a7a", 0, ' opacity=".45"')


def iguana() -> str:
    spikes = "".join(shape(f"M{200 + x} {y}l{-9 + x / 9:.0f}-{h} {18} {h - 8}z", "#e58a3c") for x, y, h in ((-64, 112, 32), (-34, 100, 40), (-8, 96, 46), (20, 98, 40), (48, 108, 32)))
    body = shape("M96 400c4-86 40-140 104-140s100 54 104 140z", "#6fae57") + shape("M152 400c2-56 20-92 48-92s46 36 48 92z", "#cfe3a4")
    head = shape("M200 90c58 0 104 42 108 98c2 50-56 84-108 84S90 238 92 188c4-56 50-98 108-98z", "#7cbb62")
    dewlap = shape("M136 252q64 90 128 0q-64 20-128 0z", "#a7cf79") + line("M176 268q4 20 0 28M200 272v30M224 268q-4 20 0 28", "#6fae5799", 4)
    jowl = mirrored(dot(122, 222, 19, "#a7cf79") + dot(122, 222, 9, "#5d9a49"))
    return spikes + body + dewlap + head + jowl + mirrored(dot(142, 170, 27, "#93cc78")) + slit_eyes(170, 58, "#e8a62f") + line("M132 228q68 36 136 0") + mirrored(oval(188, 206, 5, 4, INK)) + mirrored(line("M112 348q14-8 26 0M104 374q16-8 30 0", "#4c8a3d", 6))


def skink() -> str:
    bands = "".join(line(f"M{104 + 6 * n} {330 + 22 * n}q96-26 {192 - 12 * n} 0", "#7d5a3c", 11) for n in range(3))
    body = shape("M96 400c2-86 38-136 104-136s102 50 104 136z", "#c7a078")
    head = shape("M200 104c60 0 116 34 116 88c0 50-60 78-116 78S84 242 84 192c0-54 56-88 116-88z", "#d6b38b")
    scales = mirrored("".join(line(f"M{x} {y}q9 8 18 0", "#8a664477", 4) for x, y in ((150, 128), (176, 118), (130, 146), (160, 146), (118, 232), (142, 244))))
    stripe = mirrored(shape("M92 176q20-14 44-8q6 20-4 34q-24 4-46-6z", "#7d5a3c"))
    tongue = shape("M186 246q0 30-10 48q14 0 24-12q10 12 24 12q-10-18-10-48z", "#4b7fd0")
    return body + bands + head + stripe + scales + eyes(184, 66, 15, "#d98f4e") + tongue + line("M124 230q76 34 152 0") + mirrored(oval(186, 206, 4, 3, INK)) + cheeks(222, 92)


def snake() -> str:
    coil = "".join(oval(200, y, rx, 38, fill) + patches for y, rx, fill, patches in (
        (352, 150, "#d9713f", _saddles(352, 150)), (306, 124, "#e27c48", _saddles(306, 124)), (262, 96, "#ea8852", _saddles(262, 96))))  # fmt: skip
    neck = shape("M162 262c-24-50-18-96-6-118h88c12 22 18 68-6 118z", "#ea8852") + shape("M178 262c-10-44-10-80-6-100h56c4 20 4 56-6 100z", "#fbe2c0")
    head = shape("M200 72c50 0 84 32 84 70c0 36-44 54-84 54s-84-18-84-54c0-38 34-70 84-70z", "#ef9460")
    crown = shape("M200 72c14 22 30 26 44 20q-20 34-44 34t-44-34c14 6 30 2 44-20z", "#b8452a")
    tongue = line("M200 186v26M200 212l-10 14M200 212l10 14", "#c8313f", 5)
    return coil + neck + tongue + head + crown + eyes(138, 46, 15) + line("M150 172q50 24 100 0") + cheeks(164, 66)


def _saddles(y: float, rx: float) -> str:
    return "".join(oval(200 + rx * at, y - 4, 21, 14, "#b8452a") for at in (-0.72, -0.26, 0.26, 0.72))


# Files

DRAWN: dict[str, Callable[[int], str]] = {"dog": dog, "cat": cat, "bird": bird, "fish": fish, "rabbit": rabbit, "reptile": reptile}
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="20" fill="#d9572b"/>
<g fill="#fff6ec"><ellipse cx="19" cy="29" rx="5" ry="7" transform="rotate(-18 19 29)"/><ellipse cx="27.5" cy="20" rx="5.2" ry="7.5"/>
<ellipse cx="37.5" cy="20" rx="5.2" ry="7.5"/><ellipse cx="46" cy="29" rx="5" ry="7" transform="rotate(18 46 29)"/>
<path d="M32.5 31c-8 0-14 7-14 12.5 0 4 3 6 6.5 6 3 0 4.5-1.2 7.5-1.2s4.5 1.2 7.5 1.2c3.5 0 6.5-2 6.5-6C46.5 38 40.5 31 32.5 31z"/></g></svg>
"""
EMPTY = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 180"><ellipse cx="120" cy="156" rx="92" ry="14" fill="#c9a98655"/>
<path d="M48 92h144l-14 58c-2 8-8 12-16 12H78c-8 0-14-4-16-12z" fill="#d9a066"/><path d="M42 84h156c6 0 8 4 8 8s-4 8-8 8H42c-6 0-8-4-8-8s2-8 8-8z" fill="#b97c43"/>
<path d="M74 114v32M98 114v34M120 114v34M142 114v34M166 114v32" stroke="#b97c43" stroke-width="6" stroke-linecap="round"/>
<path d="M78 84c0-32 18-48 42-48s42 16 42 48" fill="none" stroke="#b97c43" stroke-width="9" stroke-linecap="round"/>
<path d="M104 74c-4-8 4-16 12-8 2-10 16-10 16 2 10-2 12 10 2 14-8 6-24 4-30-8z" fill="#efc9a0"/></svg>
"""


def picture(kind: str, breed: int) -> str:
    """The illustration of a breed, 0 to 5."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">'
    return f"{head}{ground(kind, breed)}{DRAWN[kind](breed)}</svg>\n"


def main(target: Path = TARGET) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for kind in DRAWN:
        for breed in range(6):
            (target / f"{kind}-{breed + 1}.svg").write_text(picture(kind, breed))
    (target / "logo.svg").write_text(LOGO)
    (target / "empty.svg").write_text(EMPTY)


if __name__ == "__main__":
    main()
