import pytest
pytest.register_assert_rewrite("fireforget.testing.conformance")
