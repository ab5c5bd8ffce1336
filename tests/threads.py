"""Doing several things at the same moment."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from finetuning.errors import Refused


def at_once(*calls):
    """Run the calls in threads of their own; returns what they returned or raised as a refusal."""

    def run(call):
        try:
            return call()
        except Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
