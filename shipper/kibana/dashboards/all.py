"""All dashboards, in the order of their links."""

from __future__ import annotations

from typing import Final

from shipper.kibana.dashboards.access import ACCESS
from shipper.kibana.dashboards.alerts import ALERTS
from shipper.kibana.dashboards.errors import ERRORS
from shipper.kibana.dashboards.health import HEALTH
from shipper.kibana.dashboards.overview import OVERVIEW
from shipper.kibana.dashboards.pipeline import PIPELINE
from shipper.kibana.dashboards.workflows import WORKFLOWS

DASHBOARDS: Final = (OVERVIEW, ERRORS, ACCESS, WORKFLOWS, HEALTH, PIPELINE, ALERTS)
