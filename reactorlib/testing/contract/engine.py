"""The conformance suite of the seam below the reactor: any IEngine can be run through it.

Subclass EngineContract under a name that pytest collects, and say in
`make_engine` what is under test.
"""

from __future__ import annotations

from reactorlib.testing.contract.engine_calls import EngineCalls
from reactorlib.testing.contract.engine_datagrams import EngineDatagrams
from reactorlib.testing.contract.engine_ends import EngineEnds
from reactorlib.testing.contract.engine_files import EngineFiles
from reactorlib.testing.contract.engine_listeners import EngineListeners
from reactorlib.testing.contract.engine_output import EngineOutput
from reactorlib.testing.contract.engine_streams import EngineStreams
from reactorlib.testing.contract.engine_survey import EngineSurvey
from reactorlib.testing.contract.engine_terminals import EngineTerminals
from reactorlib.testing.contract.engine_watching import EngineWatching


class EngineContract(
    EngineStreams,
    EngineOutput,
    EngineEnds,
    EngineFiles,
    EngineListeners,
    EngineSurvey,
    EngineTerminals,
    EngineWatching,
    EngineCalls,
    EngineDatagrams,
):
    """All that IEngine promises, with each kernel interface's known traps.

    Override `make_engine`. Where the backend cannot hold every descriptor,
    `descriptor_limit` is the first one that it refuses.
    """
