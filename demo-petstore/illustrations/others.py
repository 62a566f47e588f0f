"""Birds, fish and reptiles."""

from __future__ import annotations

from .shapes import INK, cheeks, dot, eye, eyes, line, mirrored, oval, shape, slit_eyes

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
    wings = mirrored(
        shape("M124 178c-34 40-30 104 8 134c28-24 36-92 20-132z", wing)
        + line("M122 226q12 8 22 4M120 256q12 8 22 2M126 284q8 4 14 0", "#0003", 4)
    )
    feet = mirrored(line("M176 330v10M168 340h18", "#d99a5b", 7))
    look = eyes(150, 40, 15) + cheeks(178, 62)
    bill = shape("M178 162q22-18 44 0q-4 34-22 42q-18-8-22-42z", beak) + line("M182 178q18 8 36 0", "#0003", 3)
    if breed in (1, 3):
        bill = shape("M182 166q18-12 36 0q-6 18-18 26q-12-8-18-26z", beak)
    extra = {
        0: oval(200, 150, 74, 66, face)
        + "".join(line(f"M{x} {y}q10 8 20 2", "#3a2a22aa", 4) for x, y in ((120, 118), (130, 102), (260, 118), (250, 102)))
        + oval(178, 200, 8, 10, "#3f6fc4")
        + oval(222, 200, 8, 10, "#3f6fc4"),
        1: "",
        2: oval(200, 152, 74, 66, face)
        + line("M200 92q-4-44 26-62M196 92q-16-36 0-62M204 94q8-26 30-36", "#f3d94f", 9)
        + mirrored(dot(142, 176, 19, "#f0884a")),
        3: mirrored(oval(142, 178, 21, 17, "#d9793f")) + line("M150 218q50 20 100 0", INK, 7),
        4: oval(200, 156, 76, 68, face) + mirrored(dot(160, 150, 23, "#fff")),
        5: oval(200, 152, 70, 58, "#fffaf2")
        + mirrored(line("M140 138h24M136 152h20M140 166h22", "#3a2a2288", 3))
        + shape("M132 116q68-64 136 0q-68-22-136 0z", "#4fae5a"),
    }[breed]
    return branch + tail + torso + breast + wings + feet + extra + look + bill


# Fish


def fish(breed: int) -> str:
    water = "".join(dot(x, y, r, "#fff", ' opacity=".6"') for x, y, r in ((318, 104, 12), (338, 72, 8), (310, 54, 6), (70, 128, 7)))
    weed = (
        line("M52 400q-16-40 4-72t-4-64", "#5fa777", 12)
        + line("M350 400q18-34-2-64t6-50", "#4f9468", 12)
        + shape("M0 372q100-26 200-6t200-8v42H0z", "#e9d3a4")
    )
    return water + weed + (betta, goldfish, guppy, angelfish, koi, tetra)[breed]()


def swimmer(body: str, belly: str, x: float = 232, y: float = 200, rx: float = 92, ry: float = 58) -> str:
    """A fish that looks to the right."""
    face = (
        eye(x + rx * 0.56, y - 10, 14)
        + line(f"M{x + rx - 16} {y + 18}q-12 10-22 2")
        + oval(x + rx * 0.42, y + 14, 12, 8, "#f08a7a", 0, ' opacity=".5"')
    )
    return (
        oval(x, y, rx, ry, body)
        + shape(
            f"M{x - rx * 0.9:g} {y + 14}q{rx * 0.9:g} {ry * 0.9:g} {rx * 1.8:g} 0q-20 {ry * 0.74:g}-{rx * 0.9:g} {ry * 0.76:g}t-{rx * 0.9:g}-{ry * 0.76:g}z",
            belly,
            ' opacity=".75"',
        )
        + line(f"M{x + rx * 0.24:g} {y - ry * 0.62:g}q18 {ry * 0.62:g} 0 {ry * 1.22:g}", "#0002", 5)
        + face
    )


def betta() -> str:
    fins = (
        shape("M170 196C120 96 50 84 34 120c30 24 12 44-4 76c24 16 20 40-2 76c40 30 110 0 150-70z", "#8e5bd0")
        + shape("M180 158c-6-60 40-108 96-104c-10 30 8 52 14 96z", "#a878e0")
        + shape("M190 246c-30 50-10 104 40 122c0-40 40-60 56-118z", "#8e5bd0")
    )
    rays = line("M60 136q60 20 104 58M44 196h110M62 262q56-16 100-58M214 152q4-44 40-76M226 256q-14 50 0 84", "#6d3fb055", 5)
    return fins + rays + swimmer("#7546bd", "#c58df0")


def goldfish() -> str:
    fins = (
        shape("M160 200C120 130 70 118 44 140c26 26 26 40 20 60c10 22 6 40-16 62c36 18 84 6 112-62z", "#f7a452")
        + shape("M196 150q30-56 92-34q-8 26-14 40z", "#f7a452")
        + shape("M220 250q-8 44-44 56q-6-40 14-66z", "#f7a452")
    )
    scales = "".join(
        line(f"M{x} {y}q10 12 20 0", "#d9691f66", 4)
        for x, y in ((190, 180), (214, 180), (178, 202), (202, 202), (226, 202), (190, 224), (214, 224))
    )
    return fins + swimmer("#ee7f2d", "#fbc98a", 232, 200, 96, 68) + scales


def guppy() -> str:
    tail = shape("M186 200C130 90 60 96 40 130c14 20 8 50 14 70c-6 24 0 48-12 72c24 30 92 30 144-72z", "#3aa7b8") + "".join(
        dot(x, y, 9, c)
        for x, y, c in (
            (84, 148, "#f2c14e"),
            (112, 176, "#ef6a5a"),
            (76, 200, "#f2c14e"),
            (108, 226, "#ef6a5a"),
            (80, 252, "#f2c14e"),
            (130, 200, "#1f6f8b"),
        )
    )
    return (
        tail
        + shape("M214 160q14-50 66-50q-4 30-12 54z", "#55bccb")
        + swimmer("#8fd3c8", "#e6f7ef", 244, 202, 78, 44)
        + oval(226, 196, 30, 12, "#ef6a5a", 0, ' opacity=".7"')
    )


def angelfish() -> str:
    body = (
        shape("M110 200C150 110 240 100 322 200C240 300 150 290 110 200z", "#f4efe2")
        + shape("M176 130C170 70 140 34 112 20c4 60 20 96 40 130z", "#f7c93b")
        + shape("M176 270c-6 60-36 96-64 110c4-60 20-96 40-130z", "#f7c93b")
        + shape("M122 200L56 138q14 60 0 124z", "#f7c93b")
    )
    bars = shape("M172 134q-24 66 0 132l28 10q-26-76 0-150zM232 122q-14 78 0 156l26-10q-14-70 0-138z", "#3a3638")
    return body + bars + eye(282, 190, 14) + line("M318 204q-14 8-22 2") + oval(268, 216, 11, 7, "#f08a7a", 0, ' opacity=".5"')


def koi() -> str:
    fins = (
        shape("M156 200C120 150 84 142 54 150c24 30 24 70 0 100c34 8 66-4 102-50z", "#fbeee0")
        + shape("M200 150q34-40 84-20l-14 26z", "#fbeee0")
        + shape("M214 246q-6 40-40 48q-4-36 14-60z", "#fbeee0")
    )
    patches = (
        shape("M162 168q40-34 74-26q8 34-30 44q-30 4-44-18z", "#e8552f")
        + oval(196, 226, 26, 15, "#e8552f", -12)
        + shape("M268 150q34 8 44 34q-26 6-42-8z", "#e8552f")
    )
    return (
        fins
        + swimmer("#fffaf4", "#fff", 234, 200, 100, 58)
        + patches
        + line("M318 214q10 14 4 26M306 222q2 14-8 22", "#cfa98a", 4)
        + eye(290, 190, 14)
    )


def tetra() -> str:
    def one(x: float, y: float, size: float) -> str:
        small = (
            shape("M-62 0L-104-34q10 34 0 68z", "#e2574c")
            + oval(0, 0, 76, 34, "#dfe7ee")
            + shape("M-70-2Q0-22 62-14L66-2Q0-8-70 6z", "#27a3e0")
            + shape("M-66 8Q-20 2 22 6Q-4 34-40 26z", "#e2574c")
            + eye(46, -6, 11)
            + line("M70 8q-8 6-14 2", INK, 4)
        )
        return f'<g transform="translate({x:g} {y:g}) scale({size:g})">{small}</g>'

    return one(226, 124, 0.86) + one(196, 212, 1.24) + one(256, 302, 0.8)


# Reptiles


def reptile(breed: int) -> str:
    return (gecko, tortoise, chameleon, iguana, skink, snake)[breed]()


def gecko() -> str:
    spots = (
        (150, 156),
        (176, 132),
        (226, 132),
        (252, 156),
        (200, 150),
        (140, 320),
        (170, 352),
        (234, 350),
        (262, 318),
        (200, 330),
        (118, 366),
        (284, 368),
    )
    body = shape("M100 400c2-90 40-140 100-140s98 50 100 140z", "#f4c54f") + shape("M150 400c2-60 20-96 50-96s48 36 50 96z", "#fdeeba")
    head = shape("M200 92c54 0 110 40 118 100c4 46-62 82-118 82S78 238 82 192c8-60 64-100 118-100z", "#f6cd5e")
    dark = "".join(oval(x, y, 10, 8, "#7b5a2b", (n * 37) % 60) for n, (x, y) in enumerate(spots))
    hands = mirrored(shape("M92 352q-40-14-50 10q24-4 20 10q-16 2-14 16q20-4 24 8h40z", "#f6cd5e"))
    return (
        hands
        + body
        + head
        + dark
        + mirrored(dot(132, 176, 30, "#e9b63c"))
        + slit_eyes(176, 68, "#e8792f")
        + line("M116 226q84 46 168 0")
        + mirrored(oval(188, 208, 4, 3, INK))
        + cheeks(222, 88)
    )


def tortoise() -> str:
    grass = shape("M0 356q200-26 400 0v44H0z", "#a9cc7c")
    shell = shape("M52 344c0-150 60-236 148-236s148 86 148 236z", "#8d6b3d")
    plates = mirrored(
        shape("M192 124v66l-52 26l-44-30c16-34 52-58 96-62z", "#b3905a") + shape("M88 204l42 28l-8 66l-58 12c0-40 8-76 24-106z", "#b3905a")
    )
    feet = mirrored(
        shape("M108 372c-8-52 8-84 44-84s44 40 36 84q-40 14-80 0z", "#86a862") + line("M128 372v-10M146 375v-10M164 374v-10", "#5f7f42", 5)
    )
    rim = line("M58 338q142 34 284 0", "#6f5230", 20)
    head = shape("M200 176c52 0 86 34 86 78c0 44-40 70-86 70s-86-26-86-70c0-44 34-78 86-78z", "#9cc072")
    crown = oval(200, 196, 26, 10, "#86a862") + mirrored(oval(150, 214, 12, 7, "#86a862", -34))
    face = eyes(244, 46, 16) + line("M152 282q48 30 96 0") + mirrored(oval(189, 262, 4, 3, INK)) + cheeks(274, 66)
    return grass + shell + plates + rim + feet + head + crown + face


def chameleon() -> str:
    branch = line("M-10 316q210 34 420-20", "#8b5e3c", 18) + oval(66, 290, 28, 13, "#7fb069", -20) + oval(352, 268, 26, 12, "#7fb069", 24)
    tail = line("M112 270c-52 14-72 62-44 88c24 20 58 0 50-26c-8-18-32-14-32 4", "#4fae83", 22)
    body = shape("M96 276c0-90 60-146 130-140c30-46 80-42 118 8c34 44 4 84-48 88c-30 52-90 74-200 44z", "#5cc094") + shape(
        "M130 270c20-46 70-66 136-48c-24 40-70 58-136 48z", "#bfe8c8"
    )
    bands = line("M150 176q14 40 2 78M186 152q18 46 4 96M222 142q14 40 2 78", "#2f8f80aa", 11)
    crest = shape("M222 138q30-70 86-40q-30 10-42 34z", "#46a681")
    head = dot(296, 150, 31, "#8fd9b3") + dot(300, 148, 19, "#f2b84b") + eye(304, 147, 12) + line("M352 190q-30 26-72 14")
    feet = shape("M150 268q-6 40-22 54q26 10 44-6l4-46zM238 246q4 44-6 64q28 4 42-14l-6-56z", "#4fae83")
    return branch + tail + feet + body + bands + crest + head + oval(280, 196, 13, 8, "#f08a7a", 0, ' opacity=".45"')


def iguana() -> str:
    spikes = "".join(
        shape(f"M{200 + x} {y}l{-9 + x / 9:.0f}-{h} {18} {h - 8}z", "#e58a3c")
        for x, y, h in ((-64, 112, 32), (-34, 100, 40), (-8, 96, 46), (20, 98, 40), (48, 108, 32))
    )
    body = shape("M96 400c4-86 40-140 104-140s100 54 104 140z", "#6fae57") + shape("M152 400c2-56 20-92 48-92s46 36 48 92z", "#cfe3a4")
    head = shape("M200 90c58 0 104 42 108 98c2 50-56 84-108 84S90 238 92 188c4-56 50-98 108-98z", "#7cbb62")
    dewlap = shape("M136 252q64 90 128 0q-64 20-128 0z", "#a7cf79") + line(
        "M176 268q4 20 0 28M200 272v30M224 268q-4 20 0 28", "#6fae5799", 4
    )
    jowl = mirrored(dot(122, 222, 19, "#a7cf79") + dot(122, 222, 9, "#5d9a49"))
    return (
        spikes
        + body
        + dewlap
        + head
        + jowl
        + mirrored(dot(142, 170, 27, "#93cc78"))
        + slit_eyes(170, 58, "#e8a62f")
        + line("M132 228q68 36 136 0")
        + mirrored(oval(188, 206, 5, 4, INK))
        + mirrored(line("M112 348q14-8 26 0M104 374q16-8 30 0", "#4c8a3d", 6))
    )


def skink() -> str:
    bands = "".join(line(f"M{104 + 6 * n} {330 + 22 * n}q96-26 {192 - 12 * n} 0", "#7d5a3c", 11) for n in range(3))
    body = shape("M96 400c2-86 38-136 104-136s102 50 104 136z", "#c7a078")
    head = shape("M200 104c60 0 116 34 116 88c0 50-60 78-116 78S84 242 84 192c0-54 56-88 116-88z", "#d6b38b")
    scales = mirrored(
        "".join(
            line(f"M{x} {y}q9 8 18 0", "#8a664477", 4) for x, y in ((150, 128), (176, 118), (130, 146), (160, 146), (118, 232), (142, 244))
        )
    )
    stripe = mirrored(shape("M92 176q20-14 44-8q6 20-4 34q-24 4-46-6z", "#7d5a3c"))
    tongue = shape("M186 246q0 30-10 48q14 0 24-12q10 12 24 12q-10-18-10-48z", "#4b7fd0")
    return (
        body
        + bands
        + head
        + stripe
        + scales
        + eyes(184, 66, 15, "#d98f4e")
        + tongue
        + line("M124 230q76 34 152 0")
        + mirrored(oval(186, 206, 4, 3, INK))
        + cheeks(222, 92)
    )


def snake() -> str:
    coil = "".join(oval(200, y, rx, 38, fill) + patches for y, rx, fill, patches in (
        (352, 150, "#d9713f", _saddles(352, 150)), (306, 124, "#e27c48", _saddles(306, 124)), (262, 96, "#ea8852", _saddles(262, 96))))  # fmt: skip
    neck = shape("M162 262c-24-50-18-96-6-118h88c12 22 18 68-6 118z", "#ea8852") + shape(
        "M178 262c-10-44-10-80-6-100h56c4 20 4 56-6 100z", "#fbe2c0"
    )
    head = shape("M200 72c50 0 84 32 84 70c0 36-44 54-84 54s-84-18-84-54c0-38 34-70 84-70z", "#ef9460")
    crown = shape("M200 72c14 22 30 26 44 20q-20 34-44 34t-44-34c14 6 30 2 44-20z", "#b8452a")
    tongue = line("M200 186v26M200 212l-10 14M200 212l10 14", "#c8313f", 5)
    return coil + neck + tongue + head + crown + eyes(138, 46, 15) + line("M150 172q50 24 100 0") + cheeks(164, 66)


def _saddles(y: float, rx: float) -> str:
    return "".join(oval(200 + rx * at, y - 4, 21, 14, "#b8452a") for at in (-0.72, -0.26, 0.26, 0.72))
