"""When does it run? Prefect flows, deployments and the command line."""

import os

# threads of torch that wait by spinning slow each other down tenfold beside another busy process
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
