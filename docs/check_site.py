"""Check the built site: every link within it leads somewhere, nothing is fetched from elsewhere, and it stays light.

python docs/check_site.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HEAVIEST = 15e6  # bytes of all files
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page links to, what it fetches, and the places in it that can be linked to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.fetched, self.places = [], [], set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what a tag says."""
        said = dict(attrs)
        self.places |= {said.get("id"), said.get("name")}
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        if said.get(FETCHED.get(tag)) and said.get("rel") not in ("canonical", "author"):
            self.fetched.append(said[FETCHED[tag]])


def faults(site: Path):
    """Yield a sentence for everything that is wrong."""
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    for path, page in pages.items():
        for address in page.links + page.fetched:
            to = urlsplit(address)
            if to.scheme or to.netloc:
                if address in page.fetched and to.scheme != "data":
                    yield f"{path}: fetches {address}"
                continue
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            if not target.exists():
                yield f"{path}: {address} leads to no file"
            elif to.fragment and target in pages and unquote(to.fragment) not in pages[target].places:
                yield f"{path}: {address} leads to no place on that page"
    weight = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    if weight > HEAVIEST:
        yield f"{site}: {weight / 1e6:.1f} MB, more than {HEAVIEST / 1e6:.0f}"


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(sys.argv[1]).resolve())) or 0)
