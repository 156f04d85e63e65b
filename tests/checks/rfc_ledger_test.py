#!/usr/bin/env python3
"""The sentence splitter and the ledger behind docs/conformance.md, on an invented RFC."""
import importlib.util
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True

from rfc_ledger_text import MAY, MUST, SHOULD, normative_sentences, split_sentences  # noqa: E402

loader = SourceFileLoader("rfc_ledger", str(TOOLS / "rfc_ledger"))
rfc_ledger = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("rfc_ledger", loader))
loader.exec_module(rfc_ledger)

RFC = """\
Internet Engineering Task Force                                A. Nobody

Table of Contents

   1. Doors MUST be listed ............................................2
   2. Windows .........................................................3

1.  Doors

   The key words "MUST", "SHOULD", and "MAY" in this document are to be
   interpreted as usual.

   A door MUST be shut (i.e., not open, see Section 2.1. of the manual).
   It SHOULD squeak.  Hinges are not mentioned.  The handle of every door
   that leads to a cellar

Nobody                        Standards Track                   [Page 1]
\f
RFC 1                             Doors                     October 2020


   MUST be locked with a key.

   o  Painters, carpenters, etc.) MAY enter.  The word "MUST" is only
      mentioned here.

   o  A sentence after a bullet is REQUIRED to count.

       +-------------------+
       | MUST be a figure  |
       +-------------------+

1.1.  Knobs

   Knobs are RECOMMENDED.  They MAY be round, but they MUST NOT be hot.

2.  References

   [X]  A title that says MUST.

Appendix A.  Thoughts

   Doors SHOULD think.
"""


class Splitter(unittest.TestCase):
    def setUp(self):
        self.found = normative_sentences(RFC)

    def test_sentences_are_numbered_within_their_section_over_all_levels(self):
        names = [(s.name, s.level) for s in self.found]
        self.assertEqual(names, [("1-1", MUST), ("1-2", SHOULD), ("1-3", MUST), ("1-4", MAY),
                                 ("1-5", MUST), ("1.1-1", SHOULD), ("1.1-2", MUST)])

    def test_a_page_break_does_not_end_a_sentence(self):
        self.assertEqual(self.found[2].text, "The handle of every door that leads to a cellar "
                                             "MUST be locked with a key.")

    def test_page_headers_and_footers_belong_to_no_sentence(self):
        self.assertFalse(any("Page" in s.text or "October" in s.text for s in self.found))

    def test_abbreviations_do_not_end_a_sentence(self):
        self.assertEqual(split_sentences("Use e.g. A or B, cf. C.  Then i.e. Z.\nDone?  Yes."),
                         ["Use e.g. A or B, cf. C.", "Then i.e. Z.", "Done?", "Yes."])

    def test_a_full_stop_within_parentheses_goes_on_after_etc(self):
        self.assertIn("etc.) MAY enter.", self.found[3].text)

    def test_a_figure_that_begins_at_the_margin_ends_no_section(self):
        found = normative_sentences("1.  Doors\n\n   A sketch:\n\n+------+\n| door |\n~      ~\n"
                                    "+------+\n\n   It MUST open.\n")
        self.assertEqual([(s.name, s.text) for s in found], [("1-1", "It MUST open.")])

    def test_a_section_number_at_the_end_ends_the_sentence(self):
        self.assertEqual(split_sentences("As in Section 2.3. The rest follows."),
                         ["As in Section 2.3.", "The rest follows."])

    def test_two_spaces_end_a_sentence_before_a_lower_case_name(self):
        self.assertEqual(split_sentences("That is a function.  prf+ is another."),
                         ["That is a function.", "prf+ is another."])

    def test_quoted_keywords_figures_contents_references_and_appendices_do_not_count(self):
        text = " ".join(s.text for s in self.found)
        for absent in ("only mentioned", "figure", "listed", "title", "think", "key words"):
            self.assertNotIn(absent, text)


class LedgerCase(unittest.TestCase):
    """A repository of one source file and one test against the invented RFC."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("src", "tests", "docs/conformance", "rfc"):
            (self.root / name).mkdir(parents=True)
        for rfc in rfc_ledger.RFCS:
            (self.root / "rfc" / f"rfc{rfc}.txt").write_text(RFC if rfc == "7296" else "")
        self.write("src/a.cpp", "//= rfc7296#1-1,3\n")
        self.write("tests/a.cpp", "//= rfc7296#1-2..3 type=test\nTEST(Door, shuts) {}\n")
        self.write("docs/conformance/exceptions.txt", "# why\nrfc7296#1-4..5 rfc7296#1.1-1: paint\n")

    def write(self, name, text):
        (self.root / name).write_text(text)

    def ledger(self):
        return rfc_ledger.Ledger(self.root, self.root / "rfc")

    def test_totals_count_cited_tested_excepted_and_missing(self):
        ledger = self.ledger()
        self.assertEqual(ledger.errors, [])
        self.assertEqual(ledger.totals("7296", MUST), (4, 2, 1, 1, 2))
        self.assertEqual(ledger.totals("7296", SHOULD), (2, 0, 1, 1, 0))

    def test_a_citation_of_a_sentence_that_is_not_there_is_an_error(self):
        self.write("src/a.cpp", "//= rfc7296#1-9\n//= rfc7296#7.7-1\n//= rfc7296#1\n")
        self.assertEqual(len(self.ledger().errors), 2)

    def test_a_test_citation_in_the_code_is_an_error_and_counts_for_nothing(self):
        self.write("src/a.cpp", "//= rfc7296#1-1 type=test\n")
        ledger = self.ledger()
        self.assertEqual(len(ledger.errors), 1)
        self.assertEqual(ledger.totals("7296", MUST)[2], 1)

    def test_an_exception_for_a_tested_sentence_or_without_reason_is_an_error(self):
        self.write("docs/conformance/exceptions.txt", "rfc7296#1-3: door\nrfc7296#1-1:\n")
        self.assertEqual(len(self.ledger().errors), 2)

    def test_a_bug_class_names_a_test_that_exists(self):
        self.write("docs/conformance/bug_classes.txt", "1 | left open | `Door.shuts`\n")
        self.assertEqual(self.ledger().errors, [])
        self.write("docs/conformance/bug_classes.txt", "1 | left open | `Door.opens`\n")
        self.assertEqual(len(self.ledger().errors), 1)

    def test_losing_a_test_is_worse_than_the_floor_and_gaining_one_is_not(self):
        floor = rfc_ledger.floor_now(self.ledger())
        self.write("tests/a.cpp", "//= rfc7296#1-2 type=test\n")
        self.assertEqual(len(list(rfc_ledger.worse_than(floor, rfc_ledger.floor_now(self.ledger())))),
                         2)
        self.write("tests/a.cpp", "//= rfc7296#1-1..3 type=test\n")
        self.assertEqual(list(rfc_ledger.worse_than(floor, rfc_ledger.floor_now(self.ledger()))), [])

    def test_a_stale_document_fails_the_check(self):
        ledger = self.ledger()
        document = self.root / "docs" / "conformance.md"
        floor = self.root / "docs" / "conformance" / "floor.txt"
        document.write_text("\n".join(rfc_ledger.document(ledger)) + "\n")
        self.assertEqual(rfc_ledger.check(ledger, floor, document), [])
        document.write_text(document.read_text().replace("| 2..3 |", "| 1..3 |"))
        self.assertEqual(len(rfc_ledger.check(ledger, floor, document)), 1)

    def test_the_document_holds_no_sentence_of_the_rfc(self):
        text = "\n".join(rfc_ledger.document(self.ledger()))
        for sentence in normative_sentences(RFC):
            self.assertNotIn(sentence.text, text)


if __name__ == "__main__":
    unittest.main()
