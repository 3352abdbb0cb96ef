"""The book's address for its pages, from `repository.url` in _config.yml, the one place where it stands.

Pages write `{{ repository }}` for a link and, on a line of its own, `{{ install_command }}` for the command
that installs the library. Launch buttons are the theme's, which reads the same setting.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def substitutions(url: str) -> dict[str, str]:
    """What pages may write between double braces, for a repository at `url`."""
    url = url.rstrip("/")
    return {
        "repository": f"[{url.removeprefix('https://')}]({url})",
        "install_command": f'```sh\npip install "tgan-lib @ git+{url}"\n```',
    }


def offer(app: Sphinx, config: Config) -> None:
    url = config.html_theme_options["repository_url"]
    config.myst_substitutions = substitutions(url) | config.myst_substitutions


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
