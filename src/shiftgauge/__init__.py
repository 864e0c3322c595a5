"""shiftgauge: which changes in its input a trained classifier depends on, how much and how surely.

The public names below are loaded on first use, so that importing the package is quick and does not pull in torch.

Example:
    >>> import shiftgauge
    >>> shiftgauge.Space.from_dict({"rotation": {"low": -10, "high": 10}}).names
    ('rotation',)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shiftgauge.data.load import load_data
    from shiftgauge.data.splits import Split, k_folds
    from shiftgauge.errors import ShiftgaugeError
    from shiftgauge.estimate.convergence import sensitivity
    from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions, ShiftOptions
    from shiftgauge.infer import space_from_table
    from shiftgauge.models.load import load_model
    from shiftgauge.models.parseval import ParsevalOptions
    from shiftgauge.parameter import Parameter
    from shiftgauge.results.attack import AttackResult
    from shiftgauge.results.audit import AuditResult
    from shiftgauge.results.explain import ExplainResult
    from shiftgauge.results.table import TableAuditResult
    from shiftgauge.results.train import TrainResult
    from shiftgauge.shifts.pipeline import ShiftPipeline
    from shiftgauge.space import Space
    from shiftgauge.studies.adversarial_options import AdversarialOptions
    from shiftgauge.studies.attack import attack
    from shiftgauge.studies.attack_gates import AttackGates
    from shiftgauge.studies.attack_options import AttackOptions
    from shiftgauge.studies.audit import audit
    from shiftgauge.studies.cross_validated import CrossValidation
    from shiftgauge.studies.cross_validation import FoldOptions, cross_validate
    from shiftgauge.studies.enlargement import EnlargeOptions
    from shiftgauge.studies.explain import explain
    from shiftgauge.studies.explain_options import ExplainOptions
    from shiftgauge.studies.grid_found import GridSearch
    from shiftgauge.studies.grid_search import grid_search
    from shiftgauge.studies.reduction import Reduction
    from shiftgauge.studies.table_audit import audit_table
    from shiftgauge.studies.table_measure import TableEstimate
    from shiftgauge.studies.train import train
    from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions
    from shiftgauge.train.options import TrainOptions

__version__ = "0.1.0"

_HOMES = {
    "AdversarialOptions": "shiftgauge.studies.adversarial_options",
    "AttackGates": "shiftgauge.studies.attack_gates",
    "AttackOptions": "shiftgauge.studies.attack_options",
    "AttackResult": "shiftgauge.results.attack",
    "AuditResult": "shiftgauge.results.audit",
    "BlockOptions": "shiftgauge.evaluate.options",
    "CrossValidation": "shiftgauge.studies.cross_validated",
    "EnlargeOptions": "shiftgauge.studies.enlargement",
    "ExecutionOptions": "shiftgauge.evaluate.options",
    "ExplainOptions": "shiftgauge.studies.explain_options",
    "ExplainResult": "shiftgauge.results.explain",
    "FoldOptions": "shiftgauge.studies.cross_validation",
    "GridSearch": "shiftgauge.studies.grid_found",
    "NetworkChoice": "shiftgauge.studies.train_options",
    "Parameter": "shiftgauge.parameter",
    "ParsevalOptions": "shiftgauge.models.parseval",
    "Reduction": "shiftgauge.studies.reduction",
    "ShiftOptions": "shiftgauge.evaluate.options",
    "ShiftPipeline": "shiftgauge.shifts.pipeline",
    "ShiftgaugeError": "shiftgauge.errors",
    "Space": "shiftgauge.space",
    "Split": "shiftgauge.data.splits",
    "SplitOptions": "shiftgauge.studies.train_options",
    "TableAuditResult": "shiftgauge.results.table",
    "TableEstimate": "shiftgauge.studies.table_measure",
    "ThresholdOptions": "shiftgauge.studies.train_options",
    "TrainOptions": "shiftgauge.train.options",
    "TrainResult": "shiftgauge.results.train",
    "audit": "shiftgauge.studies.audit",
    "audit_table": "shiftgauge.studies.table_audit",
    "cross_validate": "shiftgauge.studies.cross_validation",
    "grid_search": "shiftgauge.studies.grid_search",
    "k_folds": "shiftgauge.data.splits",
    "load_data": "shiftgauge.data.load",
    "load_model": "shiftgauge.models.load",
    "sensitivity": "shiftgauge.estimate.convergence",
    "space_from_table": "shiftgauge.infer",
}
_CALLABLE_PACKAGES = ("attack", "explain", "train")

__all__ = [
    "AdversarialOptions",
    "AttackGates",
    "AttackOptions",
    "AttackResult",
    "AuditResult",
    "BlockOptions",
    "CrossValidation",
    "EnlargeOptions",
    "ExecutionOptions",
    "ExplainOptions",
    "ExplainResult",
    "FoldOptions",
    "GridSearch",
    "NetworkChoice",
    "Parameter",
    "ParsevalOptions",
    "Reduction",
    "ShiftOptions",
    "ShiftPipeline",
    "ShiftgaugeError",
    "Space",
    "Split",
    "SplitOptions",
    "TableAuditResult",
    "TableEstimate",
    "ThresholdOptions",
    "TrainOptions",
    "TrainResult",
    "__version__",
    "attack",
    "audit",
    "audit_table",
    "cross_validate",
    "explain",
    "grid_search",
    "k_folds",
    "load_data",
    "load_model",
    "sensitivity",
    "space_from_table",
    "train",
]


def __getattr__(name: str) -> Any:
    """Loads a public name on first use (PEP 562)."""
    if name in _CALLABLE_PACKAGES:
        return import_module(f"shiftgauge.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names."""
    return sorted(__all__)
