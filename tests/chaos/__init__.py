"""The chaos rig: the real stack, killed at random by a seed while clients use it. `make chaos`.

- `stack`     PostgreSQL, Valkey, the provider, two web servers, workers, two Beats; starts again what dies
- `nursery`   forks those programs from the rig, so that starting them again is cheap
- `provider`  the sandbox, which is never killed, with faults on a share of its creates
- `nemesis`   what is killed and when, by seed, and the proof that it was hit
- `clients`   a process that uploads datasets and starts jobs over HTTP, and repeats what was not answered
- `history`   every change of a job's row, kept by a trigger in the database, and its rules
- `judge`     what was promised, against the rows and the provider's ledger
- `__main__`  one run: start, kill, let it come to rest, judge
"""
