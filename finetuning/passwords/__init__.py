"""Passwords: another one, and the way back in for whoever forgot theirs."""
