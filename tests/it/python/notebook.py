"""Runs the code cells of a notebook, one after the other, as a kernel does."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    notebook = json.load(file)
assert notebook["nbformat"] == 4
names: dict = {}
cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
assert len(cells) >= 5
for number, cell in enumerate(cells):
    assert not cell["outputs"], f"cell {number} is stored with its output"
    exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
