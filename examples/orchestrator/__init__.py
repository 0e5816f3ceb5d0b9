"""
Automation Orchestrator: a small application that logs through `shipper.emit`.

    app ── api ──► executions (the queue, SQLite) ──► workers ──► engine ──► actions
            │                                                       │
            └──────────── faults: switches that break a part ───────┘

Clients create workflows and ask for runs of them; a run is queued, and a worker executes it. All
state is in SQLite, so that several server processes share one queue.
"""
