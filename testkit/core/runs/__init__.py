"""What a test run leaves to be read later: the lines of its record, failures, causes.

Writers (``testkit.record``) and readers (``testkit.triage``, ``testkit.reports``,
``testkit.proof``) meet here and know nothing of each other.
"""
