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
            "on_colab": "Open a chapter and press the rocket at the top, then *Colab*.",
        }
    return {
        "ways_to_run": "on your own machine, for the book is not published under an address yet. What to do is in",
        "on_colab": "Once the book is published under an address, a rocket at the top of each chapter opens it on "
        "Colab. Until then, upload the chapter's file from `notebooks/` there.",
    }


def substitutions(url: str) -> dict[str, str]:
    """What pages may write between double braces, for a repository at `url`."""
    url = url.rstrip("/")
    return {
        "repository": f"[{url.removeprefix('https://')}]({url})",
        "install_command": f'```sh\npip install "tgan-lib @ git+{url}"\n```',
        **ways_to_run(site(url) is not None),
    }


def offer(app: Sphinx, config: Config) -> None:
    url = config.html_theme_options["repository_url"]
    for name in ("use_repository_button", "use_source_button", "use_issues_button"):
        config.html_theme_options[name] = site(url) is not None
    config.myst_substitutions = substitutions(url) | config.myst_substitutions


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
