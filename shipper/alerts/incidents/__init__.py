"""The life of an incident: phases, muting, SLA clocks."""
