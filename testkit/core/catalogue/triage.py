"""Triage and what it reads: TK700 to TK719."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["TRIAGE"]

TRIAGE: Final[dict[str, Message]] = {
    "TK700": Message(
        "A run cannot be opened",
        "{path} cannot be read: {problem}.",
        "the command line",
        "A run is a file: a run record, JUnit XML of pytest or a report log of pytest; several are one run.",
        "testkit explain TK700",
        "Records stand in .testkit/runs; pytest writes JUnit XML with --junitxml=FILE. Name the files, not their\n"
        "folder, and let the shell find several: testkit triage reports/*.xml. The words last and previous\n"
        "stand for the newest records of this project.",
    ),
    "TK701": Message(
        "A file of a run holds nothing",
        "{path} holds no run: {problem}",
        "the file itself",
        "The run that was to write it ended before it wrote, or the file was cut on its way.",
        "testkit explain TK701",
        "pytest writes JUnit XML at its end: a run that was killed leaves none, or an empty file. The run record\n"
        "is written while the run goes on and can be read at any time.",
    ),
    "TK702": Message(
        "A file is of no known form",
        "{path} is no run record, no JUnit XML and no report log; it begins with: {beginning}",
        "the file itself",
        "What a file is, is told by what is in it. Another report of the same run may have been meant.",
        "testkit explain TK702",
        "A run record is JSON lines whose first has a kind, a report log is JSON lines with $report_type,\n"
        "JUnit XML begins with testsuites or testsuite. All three may be packed with gzip, bzip2 or xz.",
    ),
    "TK703": Message(
        "A file declares entities",
        "{path} declares an entity in line {line}; it was not read.",
        "the file itself",
        "No test report needs entities. A small file can make gigabytes of them, or name files of this machine.",
        "testkit explain TK703",
        "Find out where the file comes from. Reports of pytest, Maven, Gradle, jest and others have none.",
    ),
    "TK704": Message(
        "There is no recorded run",
        'No record is "{which}" in {root}.',
        "{root}/.testkit/runs",
        "Nothing was recorded here yet, or not often enough: previous needs two runs.",
        "testkit explain TK704",
        "pytest records its runs where pyproject.toml has a table [tool.testkit], even an empty one, and with\n"
        "--testkit-record anywhere. Another report can be named instead: testkit triage report.xml",
    ),
    "TK705": Message(
        "A report cannot be written",
        "{path} cannot be written: {problem}.",
        "the option --output, the file of GitHub's job summary, or standard output",
        "Its folder does not exist or belongs to somebody else, or the disk is full.",
        "testkit explain TK705",
        "No folder is made. Without --output the report goes to standard output.",
    ),
    "TK706": Message(
        "The last run has no such cause",
        "No cause of the last run is {ident}; it has {known}.",
        "{title}",
        "The id is of an older run, and its cause is mended or shows otherwise now.",
        "testkit explain TK706",
        "testkit triage lists the causes of the last run, testkit triage previous those of the one before.",
    ),
}
