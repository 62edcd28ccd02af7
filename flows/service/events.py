"""The events that the service tells Prefect, by name."""

INGESTED = "nowcast.frames.ingested"
ALERT_BEGUN = "nowcast.alert.begun"
ALERT_OVER = "nowcast.alert.over"


def store_resource(store: str) -> str:
    """How events name a store."""
    return f"nowcast.store.{store}"
