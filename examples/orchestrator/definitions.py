"""
What a workflow is: one trigger, and actions that run one after the other.

An action gets the data of the execution and hands changed data on to the next one. These models
are the HTTP API's and the database's format at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Data = dict[str, Any]  # JSON that users send; only their own actions know what is in it
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Strict(BaseModel):
    """A value that refuses unknown keys and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Manual(Strict):
    """Runs when somebody asks for it."""

    type: Literal["manual"] = "manual"


class Schedule(Strict):
    """Runs again and again."""

    type: Literal["schedule"] = "schedule"
    every_seconds: float = Field(ge=1)


class Webhook(Strict):
    """Runs when another system calls `/api/webhooks/{hook}`."""

    type: Literal["webhook"] = "webhook"
    hook: Key


class CallService(Strict):
    """Asks a partner service over HTTP; a lost connection is tried again, a time-out is not."""

    type: Literal["http"] = "http"
    service: Key
    timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 1.0
    retries: Annotated[int, Field(ge=0, le=5)] = 2


class Transform(Strict):
    """Makes new keys (left) out of those that are there (right)."""

    type: Literal["transform"] = "transform"
    keys: dict[Key, Key] = Field(min_length=1)


class Delay(Strict):
    """Waits."""

    type: Literal["delay"] = "delay"
    seconds: float = Field(ge=0, le=5)


class WriteRecord(Strict):
    """Keeps the data as it is now in the database."""

    type: Literal["record"] = "record"
    label: Key


Trigger = Annotated[Manual | Schedule | Webhook, Field(discriminator="type")]
Action = Annotated[CallService | Transform | Delay | WriteRecord, Field(discriminator="type")]


class Workflow(Strict):
    """A workflow as users write it."""

    name: str = Field(min_length=1, max_length=200)
    trigger: Trigger = Manual()
    actions: tuple[Action, ...] = Field(min_length=1, max_length=20)


SAMPLES = {
    "workflow_invoice_import": Workflow(
        name="Import invoices",
        trigger=Webhook(hook="invoices"),
        actions=(
            CallService(service="billing"),
            Transform(keys={"total": "amount"}),
            WriteRecord(label="invoice"),
        ),
    ),
    "workflow_customer_sync": Workflow(
        name="Synchronise a customer",
        trigger=Webhook(hook="customers"),
        actions=(CallService(service="crm"), WriteRecord(label="customer")),
    ),
    "workflow_welcome_mail": Workflow(
        name="Send a welcome mail",
        actions=(CallService(service="crm"), Delay(seconds=0.05), CallService(service="mail")),
    ),
    "workflow_stock_check": Workflow(
        name="Check the stock",
        trigger=Schedule(every_seconds=5),
        actions=(CallService(service="warehouse"), WriteRecord(label="stock")),
    ),
    "workflow_nightly_cleanup": Workflow(
        name="Clean up",
        trigger=Schedule(every_seconds=30),
        actions=(Delay(seconds=0.2),),
    ),
}
