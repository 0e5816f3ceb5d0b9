"""The forms in which applications write their logs, as definitions; enrich reads by them."""
