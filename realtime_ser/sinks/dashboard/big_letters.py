"""Capital letters three terminal rows high, made of half blocks."""

from __future__ import annotations

# Five rows of pixels each, "#" is ink.
_GLYPHS = {
    "A": ".#. #.# ### #.# #.#",
    "B": "##. #.# ##. #.# ##.",
    "C": ".## #.. #.. #.. .##",
    "D": "##. #.# #.# #.# ##.",
    "E": "### #.. ##. #.. ###",
    "F": "### #.. ##. #.. #..",
    "G": ".## #.. #.# #.# .##",
    "H": "#.# #.# ### #.# #.#",
    "I": "# # # # #",
    "J": "..# ..# ..# #.# .#.",
    "K": "#.# #.# ##. #.# #.#",
    "L": "#.. #.. #.. #.. ###",
    "M": "#...# ##.## #.#.# #...# #...#",
    "N": "#..# ##.# #.## #..# #..#",
    "O": ".#. #.# #.# #.# .#.",
    "P": "##. #.# ##. #.. #..",
    "Q": ".#. #.# #.# ##. .##",
    "R": "##. #.# ##. #.# #.#",
    "S": ".## #.. .#. ..# ##.",
    "T": "### .#. .#. .#. .#.",
    "U": "#.# #.# #.# #.# ###",
    "V": "#.# #.# #.# #.# .#.",
    "W": "#...# #...# #.#.# ##.## #...#",
    "X": "#.# #.# .#. #.# #.#",
    "Y": "#.# #.# .#. .#. .#.",
    "Z": "### ..# .#. #.. ###",
    "0": "### #.# #.# #.# ###",
    "1": ".# ## .# .# .#",
    "2": "##. ..# .#. #.. ###",
    "3": "##. ..# .#. ..# ##.",
    "4": "#.# #.# ### ..# ..#",
    "5": "### #.. ##. ..# ##.",
    "6": ".## #.. ##. #.# .#.",
    "7": "### ..# .#. .#. .#.",
    "8": "### #.# ### #.# ###",
    "9": ".#. #.# .## ..# ##.",
    "-": "... ... ### ... ...",
    "_": "... ... ... ... ###",
    " ": ".. .. .. .. ..",
}
_HALVES = {("#", "#"): "█", ("#", "."): "▀", (".", "#"): "▄", (".", "."): " "}


def big(text: str) -> list[str] | None:
    """The text as three rows of equal width; None when it holds a character that has no glyph."""
    columns: list[list[str]] = [[], [], []]
    for mark in text.upper():
        pixels = _GLYPHS.get(mark, "").split()
        if not pixels:
            return None
        pixels.append("." * len(pixels[0]))
        for row in range(3):
            pairs = zip(pixels[2 * row], pixels[2 * row + 1], strict=True)
            columns[row].append("".join(_HALVES[pair] for pair in pairs))
    return [" ".join(row) for row in columns]
