"""What a verification leaves on the Prefect server for people to see."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from flows.publishing import Published
from flows.scores_files import opened
from nowcast.report.maps import picture_uri, png, thin
from nowcast.report.styles import make_styles
from nowcast.report.verdict import verdict
from nowcast.report.wording import nearest

LEADS = (6, 30, 60)
BORDER = 4


def publish_artifacts(published: Published) -> None:
    """The verdict, the table, the panel of the wettest case and a link to the report."""
    with opened(published.scores) as scores:
        styles = make_styles(scores["forecaster"].to_numpy().tolist(), {})
        told = "\n\n".join(verdict(scores, styles))
    create_markdown_artifact(key="verdict", markdown=told, description="Who is better")
    create_table_artifact(
        key="scores", table=published.records(), description="CSI at 1 mm/h by lead time"
    )
    create_image_artifact(
        key="panel",
        image_url=picture_uri(png(panel(published.case))),
        description=_described(published.case),
    )
    create_link_artifact(
        key="report", link=published.report.resolve().as_uri(), link_text="Verification report"
    )


def panel(case: xr.Dataset) -> NDArray[np.floating]:
    """The maps of a case in dBZ as one: a row a lead time, observed first, then each forecaster."""
    rows = [
        np.concatenate([_bordered(field) for field in _fields(case, lead)], axis=1)
        for lead in nearest(case["lead_time"].to_numpy(), LEADS)
    ]
    return np.concatenate(rows, axis=0)


def _fields(case: xr.Dataset, lead: int) -> list[NDArray[np.floating]]:
    at_lead = case.isel(lead_time=lead)
    return [at_lead["observed"].to_numpy(), *at_lead["forecast"].to_numpy()]


def _bordered(field: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.pad(thin(field), BORDER, constant_values=np.nan)


def _described(case: xr.Dataset) -> str:
    leads = [int(case["lead_time"][lead]) for lead in nearest(case["lead_time"].to_numpy(), LEADS)]
    columns = ["observed", *map(str, case["forecaster"].to_numpy())]
    return (
        f"Issued {case.attrs['issue_time']}, {case.attrs['why']}. Columns: {', '.join(columns)}; "
        f"rows: {', '.join(map(str, leads))} min ahead"
    )
