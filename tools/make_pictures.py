"""Make every picture in docs/images from the synthetic scene, by the command line that the pages show.

    python tools/make_pictures.py [NAME ...] [--work DIR] [--list]

Trains each method for one to three minutes on one thread, renders held-out views and writes the sheets as WebP. Prints
each file with the steps, seconds and PSNR of the run that it shows, and keeps the same numbers in
docs/images/pictures.json. A run that DIR already holds is not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from pictures import methods, scenes, symptoms
from pictures.studio import IMAGES, Studio

RECIPES = {**methods.RECIPES, **scenes.RECIPES, **symptoms.RECIPES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", help="recipes to follow (default: all)")
    parser.add_argument("--work", metavar="DIR", type=Path, help="folder of data and runs that is kept")
    parser.add_argument("--list", action="store_true", help="print the recipes and end")
    args = parser.parse_args()
    if args.list:
        print("\n".join(RECIPES))
        return 0
    if unknown := set(args.names) - set(RECIPES):
        parser.error(f"unknown recipes {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        studio = Studio(work)
        for name in args.names or RECIPES:
            RECIPES[name](studio)
    file = IMAGES / "pictures.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(dict(sorted((known | studio.made).items())), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
