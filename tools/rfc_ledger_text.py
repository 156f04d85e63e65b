"""Reads an RFC's text into its normative sentences, numbered within their sections.

A sentence counts when it uses a keyword of RFC 2119 in capitals outside quotation marks. The
numbering is what `//= rfc7296#2.3-4` cites, so it must not change for a published RFC.
"""
import re
from dataclasses import dataclass

MUST, SHOULD, MAY = "MUST", "SHOULD", "MAY"
LEVELS = (MUST, SHOULD, MAY)
KEYWORDS = (
    (MUST, re.compile(r"\b(MUST|SHALL|REQUIRED)\b")),
    (SHOULD, re.compile(r"\b(SHOULD|RECOMMENDED)\b")),
    (MAY, re.compile(r"\b(MAY|OPTIONAL)\b")),
)
HEADING = re.compile(r"^(\d+(?:\.\d+)*)\.?\s+(\S.*)$")
BULLET = re.compile(r"^\s*(o|\*|-|\d+\.|\(\w\))\s+\S")
FOOTER = re.compile(r"\[Page \d+\]\s*$")
HEADER = re.compile(r"^(RFC \d+|Internet-Draft)\s{2,}.*\b(19|20)\d\d$")
ART = re.compile(r"\+-|-\+|\|\s|-->|<--|={4}|-{4}|^\s*~|\.\.\.\.")
QUOTED = re.compile(r'"[^"]*"')
# After these a full stop does not end a sentence, whatever follows.
ABBREVIATION = re.compile(r"(?:^|[\s(\[\"])(i\.e|e\.g|cf|vs|viz|et al|Sec|Fig|No|Dr)\.$")
SENTENCE_END = re.compile(r"[.?!][\"')\]]*(?=\s+[\"'(\[]*[A-Z0-9])|[.?!][\"')\]]*(?=\s{2,}\S)")
TERMINATED = re.compile(r"[.?!:;][\"')\]]*$")
BOILERPLATE = re.compile(r"[Kk]ey\s?words? .*\"?MUST\"?")


@dataclass(frozen=True)
class Sentence:
    section: str  # "2.3"
    number: int  # from 1, running within the section
    level: str  # one of LEVELS
    text: str

    @property
    def name(self):
        return f"{self.section}-{self.number}"


def without_page_furniture(text):
    """Yields (line, follows a page break): footers, headers and the blank lines about them go."""
    lines = text.replace("\r", "").replace("\f", "\n\f\n").split("\n")
    kept, at_break = [], False
    for line in lines:
        if FOOTER.search(line):
            while kept and not kept[-1][0].strip():
                kept.pop()
            at_break = True
        elif line == "\f" or (at_break and (HEADER.match(line) or not line.strip())):
            continue
        else:
            kept.append((line.rstrip(), at_break))
            at_break = False
    return kept


def indent(line):
    return len(line) - len(line.lstrip(" "))


def blocks(text):
    """Yields (section number, title, list of lines); a block is a paragraph or a list item."""
    section, title, block = "", "", []
    for line, after_break in without_page_furniture(text):
        heading = HEADING.match(line)
        is_title = bool(line) and line[0] not in " +|~"  # a wide figure begins at the margin
        # A page break inside a paragraph leaves a sentence open; anything else begins anew.
        goes_on = block and not TERMINATED.search(block[-1]) and indent(line) == indent(block[-1])
        new = not line.strip() or is_title or BULLET.match(line) or (after_break and not goes_on)
        if block and new:
            yield section, title, block
            block = []
        if is_title:
            section, title = (heading.group(1), heading.group(2)) if heading else ("", line)
        elif line.strip():
            block.append(line)
    if block:
        yield section, title, block


def is_figure(lines):
    return sum(bool(ART.search(line)) for line in lines) * 2 >= len(lines)


def split_sentences(paragraph):
    """A paragraph's sentences; abbreviations such as "i.e." do not end one."""
    sentences, start = [], 0
    for end in SENTENCE_END.finditer(paragraph):
        upto = paragraph[start:end.start() + 1]
        goes_on = upto.endswith("etc.") and end.group().endswith(")")
        if not goes_on and not ABBREVIATION.search(upto):
            sentences.append(" ".join(paragraph[start:end.end()].split()))
            start = end.end()
    rest = " ".join(paragraph[start:].split())
    return sentences + ([rest] if rest else [])


def level_of(sentence):
    """The strongest keyword used; a keyword in quotation marks is only mentioned."""
    used = QUOTED.sub('""', sentence)
    for level, keyword in KEYWORDS:
        if keyword.search(used):
            return level
    return None


def normative_sentences(text):
    """Every normative sentence of the numbered sections; appendices, the table of contents,
    references, figures and the paragraph that introduces the keywords are left out."""
    found, count = [], {}
    for section, title, lines in blocks(text):
        if not section or "References" in title or is_figure(lines):
            continue
        paragraph = "\n".join(lines).strip()
        if BOILERPLATE.search(" ".join(paragraph.split())):
            continue
        for sentence in split_sentences(paragraph):
            level = level_of(sentence)
            if level:
                count[section] = count.get(section, 0) + 1
                found.append(Sentence(section, count[section], level, sentence))
    return found


def section_titles(text):
    return {section: title for section, title, _ in blocks(text) if section}
