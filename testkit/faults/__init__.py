"""Faults: what goes wrong between a test and its servers, exactly and in milliseconds."""
