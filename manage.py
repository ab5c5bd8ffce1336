#!/usr/bin/env python
"""Django's command line, and `up`, which starts the servers that Django's settings need."""

import os
import sys

from django.core.management import execute_from_command_line

from finetuning.embedded import launcher


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["up"]:
        sys.exit(launcher.main(sys.argv[2:]))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
