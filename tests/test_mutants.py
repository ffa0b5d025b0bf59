"""Test the test: every planted mistake is called wrong, in the right place; and what is right is called OK, always."""

from fnmatch import fnmatchcase

import pytest

from minigan import layers, losses, objectives, penalties
from minigan.gradcheck import OK, WRONG, check

from .conftest import ROOT
from .layer_table import CASES, LOSS_CASES, public_classes
from .mutants import MUTANTS, table

PAGE = ROOT / "docs" / "mutants.md"
every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=str)


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


@every_mutant
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
    loss = kind()
    for seed in range(50):
        drawn = loss.backend.uniform(predictions.shape, seed, "predictions", dtype="float64")
        report = check(loss, 0.01 + 0.98 * drawn if kind is losses.BCE else 60 * drawn - 30, labels=labels)
        assert report, f"seed {seed}\n{report}"


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_has_the_table():
    """Written by `python -m tests.mutants`."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert lines == table().splitlines()
