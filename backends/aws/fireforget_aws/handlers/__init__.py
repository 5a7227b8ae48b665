"""The functions on Lambda: `processor` behind the queue, `reporter` behind the schedule.

Each is configured as the application is, by ``FIREFORGET_*`` variables or a `fireforget.toml` beside it, and each loads
the user's event types and enrichers from the module that ``FIREFORGET_PLUGIN`` names.
"""
