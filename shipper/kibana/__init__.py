"""Kibana as code: dashboards, Discover sessions, a data view, links, and how they get there."""
