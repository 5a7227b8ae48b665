"""What an operator does besides running a worker; `fireforget.cli` shows it.

doctor         what is wrong, and the mend: of the `configuration`, of the `machine`, and what `adapters` tell
provisioning   what is missing before the first event, and how it is made
journals       the journals of this machine: whose they are, what is pending in them
replay         the events of dead processes' journals, brought to the queue
letters        dead letters: found, sent again, discarded
following      new events as they arrive
progress       how long work tells how far it is
advice         what is said of an expected error
"""
