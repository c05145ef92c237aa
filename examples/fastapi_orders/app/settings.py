"""Where the servers are; read once, when the first module of the application is imported."""

import os

DATABASE_URL = os.environ["DATABASE_URL"]
REDIS_URL = os.environ["REDIS_URL"]
EVENTS_KEPT = int(os.environ.get("EVENTS_KEPT", "1000"))
ORDERS_PER_CUSTOMER = int(os.environ.get("ORDERS_PER_CUSTOMER", "3"))
