"""When does it run? Prefect flows, deployments and the command line."""
