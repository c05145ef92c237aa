"""``rollback``: everything that a test does runs in one transaction, which is rolled back."""
