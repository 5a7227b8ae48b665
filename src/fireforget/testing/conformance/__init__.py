"""What every adapter promises, as tests: a class for each port, which a subclass runs on its own adapter."""
