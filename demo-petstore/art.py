"""Draw the pet store's illustrations: six breeds of six species as SVG, a logo and an empty basket, always the same.

python demo-petstore/art.py          writes demo-petstore/public/art/*.svg
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from illustrations.furry import cat, dog, rabbit
from illustrations.others import bird, fish, reptile
from illustrations.shapes import ground

TARGET = Path(__file__).parent / "public" / "art"
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
