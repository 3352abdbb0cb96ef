"""The book's address for its pages, from `repository.url` in _config.yml, the one place where it stands.

Pages write `{{ repository }}` for a link and, on a line of its own, `{{ install_command }}` for the command
that installs the library; `{{ ways_to_run }}` and `{{ on_colab }}` say how a chapter is run, which is another thing
before the book is published. Launch, source and issue buttons are the theme's, which reads the same setting.
"""

from __future__ import annotations

from published import site
from sphinx.application import Sphinx
from sphinx.config import Config


def ways_to_run(published: bool) -> dict[str, str]:
    """What pages say of running a chapter."""
    if published:
        return {
            "ways_to_run": "on Colab or on a laptop. Press the rocket at the top of a chapter, or follow",
            "on_colab": "Open a chapter and press the rocket at the top, then *Colab*. The first cell installs "
            "`tgan_lib` there; it does not move the torch that Colab comes with.",
        }
    return {
        "ways_to_run": "on your own machine, for the book is not published under an address yet. What to do is in",
        "on_colab": "Once the book is published under an address, a rocket at the top of each chapter opens it on "
        "Colab, and its first cell installs the library. Until then that cell leads nowhere. What works today: "
        "`git archive -o book.zip HEAD` in a copy of the repository, upload `book.zip` and the chapter's file from "
        "`notebooks/` to Colab, and run `%pip install -q ./book.zip` in a cell before the first.",
    }


def substitutions(url: str) -> dict[str, str]:
    """What pages may write between double braces, for a repository at `url`."""
    url, published = url.rstrip("/"), site(url) is not None
    command = f"tgan-lib @ git+{url}" if published else "./gans-that-transfer"
    where = f"[{url.removeprefix('https://')}]({url})" if published else "an address that is not set yet"
    return {
        "repository": where,
        "install_command": f'```sh\npip install "{command}"\n```',
        **ways_to_run(published),
    }


def offer(app: Sphinx, config: Config) -> None:
    url = config.html_theme_options["repository_url"]
    for name in ("use_repository_button", "use_source_button", "use_issues_button"):
        config.html_theme_options[name] = site(url) is not None
    config.myst_substitutions = substitutions(url) | config.myst_substitutions


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
