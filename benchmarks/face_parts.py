"""How `gentool/data/sources/faces.json` was made: the parts of DiceBear's style Pixel Art as characters on a grid.

    pip download --no-deps dicebear-styles==10.6.0 && unzip dicebear_styles-10.6.0-py3-none-any.whl
    python benchmarks/face_parts.py dicebear_styles/pixel-art.json gentool/data/sources/faces.json

Paths lie on a grid of 16x16 pixels, so the middle of a pixel says whether a path covers it. Each pixel of a part is
a sum in percent: of the part's colour, of white, of black, and of what lies below; a character stands for such a sum.

Variants are named after their part. Clothes 14 equal clothes 5 in pixels and are left out. Two things differ from the
SVG. A beard is masked there by the luminance of its own colour, so that dark ones would
hardly be seen; here each has the opacity that the mask says, 90%. The slanted edges of one path, by .007 of a pixel,
are straight.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

SIDE = 16
NOTHING = (0, 0, 0)
Pixel = tuple[int, int, int]
"""Percent of the part's colour, of white and of black; the rest is what lies below."""
CHARACTERS = "#abcdefghijklmnopqrstuvwxyz"


def polygons(path: str) -> list[list[tuple[float, float]]]:
    """The corners of the closed outlines of a path of M, m, H, h, V, v, L, l and z."""
    outlines: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, text in re.findall(r"([a-zA-Z])([^a-zA-Z]*)", path):
        values = [float(one) for one in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text)]
        if command in "zZ":
            x, y = outlines[-1][0]
            continue
        if command in "hHvV":
            for value in values:
                if command in "hH":
                    x = value + (x if command == "h" else 0)
                else:
                    y = value + (y if command == "v" else 0)
                outlines[-1].append((x, y))
            continue
        if command not in "mMlL":
            raise ValueError(f"{command} in {path}")
        for number, (right, down) in enumerate(zip(values[::2], values[1::2], strict=True)):
            x, y = (x + right, y + down) if command.islower() else (right, down)
            if command in "mM" and number == 0:
                outlines.append([])
            elif not outlines[-1]:
                raise ValueError(path)
            outlines[-1].append((x, y))
        # After z, a path goes on at the start of its last outline; `m` follows in all of these.
    return outlines


def covered(path: str, even_odd: bool, mirror: tuple[float, float] | None) -> set[tuple[int, int]]:
    """The pixels (x, y) whose middle a path covers; `mirror` (e, f) is the transform x -> e - x, y -> y + f."""
    found = set()
    outlines = polygons(path)
    for y in range(-SIDE, 2 * SIDE):
        for x in range(-SIDE, 2 * SIDE):
            winding = 0
            for corners in outlines:
                for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
                    if (ay > y + 0.5) != (by > y + 0.5) and ax + (y + 0.5 - ay) / (by - ay) * (bx - ax) > x + 0.5:
                        winding += 1 if by > ay else -1
            if winding % 2 if even_odd else winding:
                found.add((x, y) if mirror is None else (round(mirror[0]) - 1 - x, y + round(mirror[1])))
    return found


def over(below: Pixel, fill: Any, opacity: float) -> Pixel:
    """A pixel with a fill (the part's colour, white or black) painted over it."""
    which = {"white": 1, "black": 2}.get(fill, 0) if isinstance(fill, str) else 0
    if isinstance(fill, str) and fill not in ("white", "black"):
        raise ValueError(fill)
    mixed = [value * (1 - opacity) for value in below]
    mixed[which] += 100 * opacity
    rounded = [round(value) for value in mixed]
    if any(abs(value - whole) > 1e-6 for value, whole in zip(mixed, rounded, strict=True)):
        raise ValueError(f"{mixed} is not whole percent")
    return rounded[0], rounded[1], rounded[2]


def paint(elements: list[dict[str, Any]], pixels: dict[tuple[int, int], Pixel], inherited: Any = None) -> None:
    """Paint elements in their order onto pixels by place."""
    masks = [element for element in elements if element["name"] == "mask"]
    for element in elements:
        settings = element.get("attributes", {})
        if element["name"] == "mask":
            continue
        if element["name"] == "g":
            inner: dict[tuple[int, int], Pixel] = {}
            paint(element["children"], inner, settings.get("fill", inherited))
            if "mask" not in settings:
                pixels |= inner
                continue
            (mask,) = masks
            (shape,) = mask["children"]
            opacity = float(shape["attributes"]["opacity"])
            for place in covered(shape["attributes"]["d"], False, None):
                colour, white, black = (round(value * opacity) for value in inner[place])
                pixels[place] = (colour, white, black)
            continue
        transform = settings.get("transform")
        mirror = None
        if transform is not None:
            e, f = re.fullmatch(r"matrix\(-1 0 0 1 (\d+) (\d+)\)", transform).groups()  # type: ignore[union-attr]
            mirror = (float(e), float(f))
        opacity = float(settings.get("fill-opacity", 1)) * float(settings.get("opacity", 1))
        for place in covered(settings["d"], settings.get("fill-rule") == "evenodd", mirror):
            pixels[place] = over(pixels.get(place, NOTHING), settings.get("fill", inherited), opacity)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    style = json.loads(arguments.style.read_text(encoding="utf-8"))
    legend: dict[Pixel, str] = {NOTHING: "."}
    layers: list[dict[str, Any]] = []
    body: list[dict[str, Any]] = []
    for element in style["canvas"]["elements"]:
        if element["type"] == "component":
            offset = re.findall(r"\d+", element.get("attributes", {}).get("transform", ""))
            left, top = (*map(int, offset), 0, 0)[:2]
            layers.append({"name": element["name"], "at": (left, top)})
        else:
            body.append(element)
    variants: dict[str, dict[str, list[str]]] = {}

    def rows_of(elements: list[dict[str, Any]], at: tuple[int, int]) -> list[str]:
        pixels: dict[tuple[int, int], Pixel] = {}
        paint(elements, pixels)
        shown = {(x + at[0], y + at[1]): pixel for (x, y), pixel in pixels.items()}
        for pixel in sorted(set(shown.values()), reverse=True):
            if pixel not in legend:
                legend[pixel] = CHARACTERS[len(legend) - 1]
        return ["".join(legend[shown.get((x, y), NOTHING)] for x in range(SIDE)) for y in range(SIDE)]

    variants["skin"] = {"skin": rows_of(body, (0, 0))}
    for layer in layers:
        component = style["components"][layer["name"]]
        drawn = variants[layer["name"]] = {}
        for name, variant in component["variants"].items():
            rows = rows_of(variant["elements"], layer["at"])
            if rows not in drawn.values():
                drawn[name.replace("variant", layer["name"])] = rows
    content = {
        "about": (
            f"The parts of „{style['meta']['source']['name']}” by {style['meta']['creator']['name']} "
            f"({style['meta']['source']['url']}), from dicebear-styles 10.6.0 (https://github.com/dicebear/styles), "
            "as pixels; made by benchmarks/face_parts.py. The layers are painted in the order in which they stand."
        ),
        "licence": f"{style['meta']['license']['name']}, {style['meta']['license']['url']}",
        "legend": {character: list(pixel) for pixel, character in legend.items()},
        "legend_is": "percent of the part's colour, of white, of black; the rest is what lies below",
        "layers": variants,
    }
    arguments.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
