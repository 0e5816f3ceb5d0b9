"""
The HTTP API.

The routes are plain functions, which FastAPI runs in threads, because SQLite blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from examples.orchestrator.auth import Auth
from examples.orchestrator.database import Database
from examples.orchestrator.definitions import Data, Strict, Workflow
from examples.orchestrator.executions import Execution, Executions
from examples.orchestrator.faults import FaultRates, Faults
from examples.orchestrator.settings import Settings
from examples.orchestrator.workflows import StoredWorkflow, Workflows
from shipper import emit
from shipper.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The parts of the application that the routes use."""

    settings: Settings
    faults: Faults
    database: Database
    workflows: Workflows
    executions: Executions
    auth: Auth
    instrument: Instrument


async def _orchestrator(request: Request) -> Orchestrator:
    parts: Orchestrator = request.app.state.orchestrator
    return parts


async def _has_no_bug(parts: Parts) -> None:
    if parts.faults.strikes("server_error"):
        parts.faults.run_into_a_bug()


async def _request_id() -> str | None:
    return emit.REQUEST_ID.get()


Parts = Annotated[Orchestrator, Depends(_orchestrator)]
Token = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
RequestId = Annotated[str | None, Depends(_request_id)]

router = APIRouter()
api = APIRouter(prefix="/api", dependencies=[Depends(_has_no_bug)])


class RunRequest(Strict):
    """What a run starts with."""

    data: Data = Field(default_factory=dict)


class Credentials(Strict):
    """A user who wants in."""

    username: str = Field(max_length=100)
    password: str = Field(max_length=1000)


class Session(BaseModel):
    """The token of a user who is in; send it as `Authorization: Bearer …`."""

    token: str


@router.get("/api/faults")
def get_faults(parts: Parts) -> FaultRates:
    """List the switches."""
    return parts.faults.rates


@router.post("/api/faults")
def set_faults(wanted: FaultRates, parts: Parts) -> FaultRates:
    """Set the switches that are named and leave the others."""
    return parts.faults.change(wanted)


@api.post("/login")
def login(credentials: Credentials, parts: Parts) -> Session:
    """Open a session."""
    token = parts.auth.login(credentials.username, credentials.password)
    if token is None:
        raise HTTPException(401, "wrong username or password")
    return Session(token=token)


@api.get("/workflows")
def list_workflows(
    parts: Parts, limit: Annotated[int, Field(ge=1, le=100)] = 20
) -> list[StoredWorkflow]:
    """List the newest workflows."""
    return parts.workflows.newest(limit)


@api.post("/workflows", status_code=201)
def create_workflow(definition: Workflow, parts: Parts) -> StoredWorkflow:
    """Define a workflow."""
    return parts.workflows.add(definition)


@api.get("/workflows/{workflow_id}")
def get_workflow(workflow_id: str, parts: Parts) -> StoredWorkflow:
    """Show a workflow."""
    return _existing(workflow_id, parts)


@api.delete("/workflows/{workflow_id}", status_code=204)
def delete_workflow(workflow_id: str, token: Token, parts: Parts) -> None:
    """Delete a workflow; only users who are in may."""
    if parts.auth.user_of(token.credentials) is None:
        raise HTTPException(401, "the session is over")
    if not parts.workflows.delete(workflow_id):
        raise HTTPException(404, "no such workflow")


@api.post("/workflows/{workflow_id}/run", status_code=202)
def run_workflow(
    workflow_id: str, wanted: RunRequest, parts: Parts, request_id: RequestId
) -> Execution:
    """Queue a run; `GET /api/executions/{execution_id}` returns its state."""
    _existing(workflow_id, parts)
    return parts.executions.submit(workflow_id, "manual", wanted.data, request_id)


@api.post("/webhooks/{hook}", status_code=202)
def call_webhook(hook: str, data: Data, parts: Parts, request_id: RequestId) -> list[Execution]:
    """Queue a run of every workflow that this webhook starts."""
    workflow_ids = parts.workflows.started_by_hook(hook)
    if not workflow_ids:
        raise HTTPException(404, "no workflow listens to this webhook")
    return [
        parts.executions.submit(workflow_id, "webhook", data, request_id)
        for workflow_id in workflow_ids
    ]


@api.get("/executions/{execution_id}")
def get_execution(execution_id: str, parts: Parts) -> Execution:
    """Show an execution."""
    execution = parts.executions.find(execution_id)
    if execution is None:
        raise HTTPException(404, "no such execution")
    return execution


def _existing(workflow_id: str, parts: Orchestrator) -> StoredWorkflow:
    workflow = parts.workflows.find(workflow_id)
    if workflow is None:
        raise HTTPException(404, "no such workflow")
    return workflow
