"""Tests of the suite itself: what it must catch, what it must leave alone, how often it errs."""
