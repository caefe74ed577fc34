"""The studio: the reference host application, in which people work with agents and spend credits on real calls.

Owns: four modes with fourteen agents, the runs of each person and what came of them, an index of files per account.
Refuses to know: how Ileen holds, prices and captures. It is a stranger to the gateway, the pages and the books, and
reaches them as any other product does: models by the official clients through the gateway, balance and charges by the
API. What it needs of its house (who is signed in, a key of the account) is handed in as a `Reception`.
S1  every call carries its mode, its activity and the id of its run.
S2  prompts and answers are kept in the studio's own file, never in Ileen's tables; a run is its person's alone.
S3  a run that was paused goes on where it stopped: a call that was answered, and paid, is never made again for it.
"""

from ileen.studio.studio import Studio

__all__ = ["Studio"]
