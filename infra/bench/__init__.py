"""Measured figures: ratios against a named floor of the same run, and counted units; never a timed test."""
