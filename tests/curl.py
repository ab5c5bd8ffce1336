"""As much of curl as our documentation uses, for machines without one. It refuses every other option.

`python tests/curl.py -s https://example.com -H 'Accept: text/plain'`
"""

import argparse
import sys
from pathlib import Path

import httpx2


def main(arguments):
    options = parsed(arguments)
    sent = body(options)
    method = options.request or ("POST" if sent else "GET")
    headers = dict(line.split(": ", 1) for line in options.header)
    try:
        with httpx2.Client(trust_env=False, timeout=60) as client:
            answer = client.request(method, options.url, headers=headers, **sent)
    except httpx2.TransportError:
        return 7
    show(answer, with_headers=options.include)
    return 0


def parsed(arguments):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true", required=True)
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    content = parser.add_mutually_exclusive_group()
    content.add_argument("-d", "--data")
    content.add_argument("-F", "--form", action="append", default=[])
    return parser.parse_args(arguments)


def body(options):
    """What httpx takes to send `-d` or the `-F`s."""
    if options.data is not None:
        is_named = any(line.lower().startswith("content-type:") for line in options.header)
        form = {} if is_named else {"Content-Type": "application/x-www-form-urlencoded"}
        options.header += [f"{name}: {value}" for name, value in form.items()]
        return {"content": options.data}
    parts = [part.split("=", 1) for part in options.form]
    return {"files": [(name, form_part(value)) for name, value in parts]} if parts else {}


def form_part(value):
    path = Path(value.removeprefix("@"))
    return (path.name, path.read_bytes()) if value.startswith("@") else (None, value)


def show(answer, *, with_headers):
    if with_headers:
        lines = [f"{answer.http_version} {answer.status_code} {answer.reason_phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        sys.stdout.buffer.write("\r\n".join([*lines, "", ""]).encode())
    sys.stdout.buffer.write(answer.content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
