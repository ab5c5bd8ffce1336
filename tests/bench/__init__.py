"""Measurements. Nothing here passes or fails; each prints its figures, as JSON in the last line."""
