"""What «without case» means, in one place: for values, keywords, log sources, what is counted, and the events already stored.

A text in lower case (Unicode's default mapping, as Python has it), its final sigmas (``ς``) as others (``σ``). Each character then has one
form whatever stands beside it, so a part of a text is in the form of the whole exactly where the form of the part is, which wildcards, the
search for several texts at once, and SQL rely on. ``str.lower`` alone is not so: of «ΟΔΟΣ» it makes an end that «ΟΔΟΣΑ» does not hold.

It is not Unicode's full folding: ``ß`` is not ``ss``, ``ſ`` not ``s``, ``ﬁ`` not ``fi``; nor is ``ı`` an ``i``. Systems that write logs
take them for different letters too, and a letter that became two would count as two for ``?``. The Kelvin sign is a ``k``; ``İ`` is an
``i`` with a dot above, as two characters. Regular expressions with ``i`` follow Python's ``re`` (:mod:`.expressions`).

Source: The Unicode Standard, 3.13 «Default Case Algorithms», and SpecialCasing.txt.
"""


def without_case(text: str) -> str:
    """The form of a text that is compared where case does not count. That of two texts in a row is those of both in a row."""
    lower = text.lower()
    return lower if lower.isascii() else lower.replace("ς", "σ")
