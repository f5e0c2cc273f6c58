"""Count what was attacked: `record_property(what, number)` of the tests, summed up at the end."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for what, number in report.user_properties:
                counts[what] += int(str(number))
    if counts:
        terminalreporter.write_line(", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())))
