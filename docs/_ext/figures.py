"""A picture that links to a page of HTML, `[![text](x.png)](x.html)`, becomes that page in a frame."""

import html
import os
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.python import PythonLexer
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

FRAME = (
    '<div class="live"><iframe src="{page}" title="{title}" loading="lazy" sandbox="allow-scripts"></iframe>'
    '<p><a href="{page}">Open it on a page of its own</a></p></div>'
)


class Frames(SphinxPostTransform):
    """Replaces such links."""

    default_priority = 5  # before links to files become downloads
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """For each page."""
        folder = Path(self.env.doc2path(self.env.docname)).parent
        for link in [*self.document.findall(_is_link)]:
            target = link.get("reftarget") or link.get("refuri") or ""
            image = next(link.findall(nodes.image), None)
            page = folder / target
            if image is None or not target.endswith(".html") or not page.is_file():
                continue
            copied = Path(self.app.outdir) / page.resolve().relative_to(Path(self.app.srcdir).resolve())
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, copied)
            here = Path(self.app.outdir) / self.app.builder.get_target_uri(self.env.docname)
            source = os.path.relpath(copied, here.parent).replace(os.sep, "/")
            text = FRAME.format(page=html.escape(source), title=html.escape(image.get("alt", "")))
            frame = nodes.raw("", text, format="html")
            shown = nodes.raw("", "<noscript>", format="html"), image, nodes.raw("", "</noscript>", format="html")
            link.parent.replace(link, [frame, *shown])


def _is_link(node: nodes.Node) -> bool:
    kind = type(node).__name__
    return kind in ("reference", "download_reference", "pending_xref")


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_post_transform(Frames)
    app.add_lexer("pytorch", PythonLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
