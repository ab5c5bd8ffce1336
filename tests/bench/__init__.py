"""Measurements of the real stack, one module each: `make bench-api`. They print figures and judge nothing."""
