from hypothesis import settings, HealthCheck
from reactorlib.testing.contract.tls_streams import TLSMachineContract
from tests.backends import BACKENDS
import pytest
class TestLong(TLSMachineContract):
    machine_settings = settings(max_examples=1500, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    def make_engine(self): return BACKENDS["poll"]()
    test_legal_sequences_only = pytest.mark.timeout(500)(TLSMachineContract.test_legal_sequences_only)
