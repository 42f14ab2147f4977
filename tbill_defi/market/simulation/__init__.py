"""Simulated curves: models fitted to published ones, seeded, and marked as what they are."""

from tbill_defi.market.simulation.bootstrap import Bootstrap
from tbill_defi.market.simulation.chance import Chance
from tbill_defi.market.simulation.gaussian import Gaussian
from tbill_defi.market.simulation.history import Sample, sample_of
from tbill_defi.market.simulation.nelson_siegel import NelsonSiegel
from tbill_defi.market.simulation.run import MODELS, Simulation, simulate

__all__ = [
    "MODELS",
    "Bootstrap",
    "Chance",
    "Gaussian",
    "NelsonSiegel",
    "Sample",
    "Simulation",
    "sample_of",
    "simulate",
]
