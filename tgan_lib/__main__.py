"""`python -m tgan_lib zoo`, which lists what is shipped, and `python -m tgan_lib zoo build NAME`."""

from __future__ import annotations

import argparse


def main() -> None:
    from . import zoo
    from .zoo import recipes

    parser = argparse.ArgumentParser(
        prog="python -m tgan_lib", description="What tgan_lib ships, and how to make it again."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shipped = commands.add_parser("zoo", help="shipped models")
    actions = shipped.add_subparsers(dest="action")
    actions.add_parser("list", help="names and one line of each card (what `zoo` alone does)")
    build = actions.add_parser("build", help="train a shipped model again from its recipe")
    build.add_argument("name", choices=sorted(recipes.RECIPES))
    build.add_argument("--out", default=None, help="folder to write to (default: the package's own)")
    arguments = parser.parse_args()
    if arguments.action == "build":
        recipes.build(arguments.name, arguments.out)
    else:
        for name in zoo.names():
            card = zoo.card(name)
            former = f"; former: {card['former']}" if "former" in card else ""
            print(f"{name}: {card['title']}{former}")


if __name__ == "__main__":
    main()
