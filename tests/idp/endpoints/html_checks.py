"""What every page must hold, checked without a browser: structure, names, and nothing inline or from elsewhere."""

from html.parser import HTMLParser

_VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_NAMED = {"input", "select", "textarea"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.referred: list[str] = []
        self.fields: list[tuple[dict[str, str], bool]] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in _VOID:
            self.open.append(tag)
        if "id" in a:
            self.ids.append(a["id"])
        self.referred += [part for name in ("aria-labelledby", "aria-describedby", "for") for part in a.get(name, "").split()]
        self._nothing_inline(tag, a)
        if tag == "html" and not a.get("lang"):
            self.faults.append("html has no lang")
        if tag == "img" and "alt" not in a:
            self.faults.append("img without alt")
        if tag == "label" and "for" in a:
            self.labelled.add(a["for"])
        if tag in _NAMED and a.get("type") != "hidden":
            self.fields.append((a, "label" in self.open))
        if tag == "form" and a.get("method", "get") not in ("get", "post"):
            self.faults.append("form with another method")

    def _nothing_inline(self, tag: str, a: dict[str, str]) -> None:
        self.faults += [f"{tag} has {name}" for name in a if name == "style" or name.startswith("on")]
        self.faults += [f"{tag} {name} leads elsewhere: {a[name]}" for name in ("src", "href", "action") if "//" in a.get(name, "")]
        if tag == "style" or (tag == "script" and "src" not in a):
            self.faults.append(f"inline {tag}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def finish(self) -> list[str]:
        self.faults += [f"id {name} is there twice" for name in {i for i in self.ids if self.ids.count(i) > 1}]
        self.faults += [f"#{name} is referred to and absent" for name in self.referred if name not in self.ids]
        self.faults += [f"no label for {a}" for a, inside in self.fields if not inside and a.get("id") not in self.labelled]
        self.faults += [f"<{tag}> is open at the end" for tag in self.open]
        self.faults += [f"{self.counts.get(tag, 0)} <{tag}>" for tag in ("title", "main", "html") if self.counts.get(tag) != 1]
        if not self.counts.get("h1"):
            self.faults.append("no h1")
        return self.faults


def faults_of(page: str) -> list[str]:
    """Every fault of an HTML page; empty when it is sound."""
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.finish()
