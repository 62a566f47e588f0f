"""What the drawings share: plain shapes, faces, and the ground behind an animal."""

from __future__ import annotations

import math
import random

INK = "#3a2a22"
GROUNDS = {  # background, disc behind the animal, small shapes
    "dog": (("#fde8d4", "#f9d0ab", "#f3b888"), ("#e4effa", "#c5dcf2", "#a5c6e6"), ("#fbe3e4", "#f5c5c8", "#eaa6ab")),
    "cat": (("#eee7f8", "#d9cbf0", "#c2aee4"), ("#e2f1ea", "#bfe0d0", "#9fcdb8"), ("#fdeccd", "#f9d896", "#efc36b")),
    "bird": (("#e0f1f8", "#bbdfee", "#95cbe1"), ("#fdf0cf", "#f8dd98", "#edc665"), ("#fbe4ec", "#f4c3d4", "#e8a2bb")),
    "fish": (("#d7eef5", "#aeddeb", "#7fc6db"), ("#d9f0ea", "#aadfd1", "#7dcab6"), ("#dde6f8", "#bccdf0", "#98b0e4")),
    "rabbit": (("#e9f3dc", "#cfe3b3", "#b2d08b"), ("#fce5ee", "#f6c6da", "#eaa5c2"), ("#fdecd8", "#f8d3a9", "#eeb87f")),
    "reptile": (("#fbf0cd", "#f4dd94", "#e6c562"), ("#e3f2df", "#c2e0ba", "#a0cd95"), ("#fbe5d6", "#f4c7a9", "#e8a97f")),
}


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


def bust(coat: str, chest: str) -> str:
    return shape("M92 400c4-86 40-128 108-128s104 42 108 128z", coat) + shape("M148 400c2-58 20-92 52-92s50 34 52 92z", chest)


def nose(y: float, colour: str = INK, width: float = 23) -> str:
    return shape(f"M{200 - width} {y}q0-13 {width} -13t{width} 13q-6 19 -{width} 21q-17 -2 -{width} -21z", colour) + oval(
        194, y - 5, 6, 3, "#fff6"
    )
