#!/usr/bin/env python
"""The command line of Celesta. A command that needs the database finds it running when none is configured."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")
    from orchestrator_site.command_line import run

    return run(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
