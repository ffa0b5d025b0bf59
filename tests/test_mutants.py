"""Test the test: every planted mistake is called wrong, in the right place; and what is right is called OK, always."""

from fnmatch import fnmatchcase

import pytest

from minigan import get_backend, layers, losses, objectives, penalties
from minigan.gradcheck import OK, WRONG, check, table
from minigan.gradcheck.command import STEP_ENTRIES

from .conftest import ROOT
from .layer_table import CASES, LOSS_CASES, public_classes
from .mutants import MUTANTS
from .mutants import table as page_of_mutants

PAGE = ROOT / "docs" / "mutants.md"
every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=str)
# A whole step costs ten times as much as a layer: those are for the slow proofs, but one in four.
quick_mutants = pytest.mark.parametrize("mutant", [
    pytest.param(mutant, id=str(mutant), marks=[pytest.mark.slow] * (mutant.wrong[:2] in ("D.", "G.") and i % 4 > 0))
    for i, mutant in enumerate(MUTANTS)
])  # fmt: skip


def named(mutant, names):
    """Those of the names that the mutant's `wrong` stands for: "D.* but D.3.Dense.b"."""
    patterns, _, spared = mutant.wrong.partition(" but ")
    found = {pattern: {name for name in names if fnmatchcase(name, pattern)} for pattern in patterns.split()}
    assert all(found.values()) and set(spared.split()) <= set(names), f"{mutant.wrong} is not all in {sorted(names)}"
    return set().union(*found.values()) - set(spared.split())


def must_be_caught(mutant, seed):
    report = mutant.report(seed)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert not report
    assert {name for name, verdict in verdicts.items() if verdict == WRONG} == named(mutant, verdicts), str(report)
    assert set(verdicts.values()) <= {OK, WRONG}, str(report)
    assert mutant.complaint in " ".join(report.complaints), str(report)


@quick_mutants
def test_it_is_caught_and_only_what_is_wrong_is_named(mutant):
    must_be_caught(mutant, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@every_mutant
def test_it_is_caught_with_other_numbers(mutant, seed):
    must_be_caught(mutant, seed)


def test_every_part_has_a_mutant_and_no_two_are_alike():
    parts = public_classes(layers, layers.Layer) | public_classes(losses, losses.Loss)
    parts |= public_classes(objectives, objectives.Objective) | public_classes(penalties, penalties.Penalty)
    assert {kind.__name__ for kind in parts} <= {mutant.where for mutant in MUTANTS}
    assert len({mutant.kind.__name__ for mutant in MUTANTS}) == len(MUTANTS) >= 45
    assert len({(mutant.where, mutant.mistake) for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.wrong or mutant.complaint for mutant in MUTANTS)
    assert not any("|" in mutant.mistake for mutant in MUTANTS), "it would end a cell of the page"


# What is right --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_right_layer_is_ok_whatever_the_numbers(case):
    for seed in range(50):
        report = check(case.layer, case.shape, seed=seed)
        assert report, f"seed {seed}\n{report}"


@pytest.mark.slow
@pytest.mark.parametrize("kind, predictions, labels", LOSS_CASES)
def test_a_right_loss_is_ok_whatever_the_numbers(kind, predictions, labels):
    for seed in range(50):
        drawn = get_backend("numpy").random.uniform(predictions.shape, seed, "predictions", dtype="float64")
        pred = 0.01 + 0.98 * drawn if kind is losses.BCE else 60 * drawn - 30
        report = check(kind(), pred / 5 if kind is losses.SoftmaxCrossEntropy else pred, labels=labels)
        assert report, f"seed {seed}\n{report}"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(table.objectives())))
def test_a_right_objective_is_ok_whatever_the_numbers(number):
    objective, predictions = table.objectives()[number]
    for seed in range(50):
        drawn = get_backend("numpy").random.uniform(predictions.shape, seed, "predictions", dtype="float64")
        probabilities = isinstance(getattr(objective, "loss", None), losses.BCE)
        report = check(objective, 0.01 + 0.98 * drawn if probabilities else 6 * drawn - 3)
        assert report, f"seed {seed}\n{report}"


def fifty_steps():
    """The cases with blocks, classes, pairs or several updates of G."""
    words = "residual", "classes", "Relativistic", "g_steps"
    return [step for step in table.steps() if any(word in step.name for word in words)]


@pytest.mark.slow
@pytest.mark.parametrize("case", fifty_steps(), ids=lambda case: case.name)
def test_a_right_step_is_ok_whatever_the_numbers(case):
    slow = any(word in case.name for word in ("fused", "augment", "pack"))  # a second and more for each check
    for seed in range(10 if slow else 50):
        report = check(case.gan, seed=seed, max_entries=STEP_ENTRIES, expect_zero=case.expect_zero)
        assert report, f"seed {seed}\n{report}"


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_has_the_table():
    """Written by `python -m tests.mutants`."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert lines == page_of_mutants().splitlines()
