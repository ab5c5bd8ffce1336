"""PostgreSQL, Valkey and the whole product as foreground children of one launcher.

Nothing here imports Django: the servers must answer before settings can be read.

- `processes`   one child: start, ask, stop; and what a killed launcher left behind
- `supervisor`  many children: start in order, restart, stop in reverse
- `folder`      the data folder: lock, secret key, what is running
- `postgres`, `valkey`   the two servers, from their wheels or from the system
- `services`    the two of them together, or the URLs that were given
- `launcher`    `manage.py up`
- `__main__`    the two servers around one command: `python -m finetuning.embedded -- pytest`
"""
