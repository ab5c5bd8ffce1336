"""Telling an organization's own servers what happened: endpoints, the outbox of deliveries, sending."""
