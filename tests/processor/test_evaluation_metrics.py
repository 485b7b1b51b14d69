from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanwarden_processor.evaluation.fitting import Examples, NotForFitting, held_out_scores
from spanwarden_processor.evaluation.metrics import (
    Floats,
    auc,
    mean_auc,
    mean_recall_at,
    proportion,
    recall_at,
    scores_of,
    within_group_auc,
)
from spanwarden_processor.evaluation.task_words import Tasks, held_out_task_scores, task_scores

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 1), st.sampled_from("abc")), min_size=1, max_size=25
)


@given(ROWS)
@settings(deadline=None, max_examples=60)
def test_the_auc_is_the_share_of_pairs_that_are_ordered_rightly(rows: list[tuple[float, int, str]]) -> None:
    positives = [score for score, label, _ in rows if label]
    negatives = [score for score, label, _ in rows if not label]
    pairs = [(high > low) + 0.5 * (high == low) for high in positives for low in negatives]

    figure = auc(scores_of(*map(list, zip(*rows, strict=True))))

    assert figure.value == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


@given(ROWS, st.sampled_from([0.0, 0.2, 0.5, 1.0]))
@settings(deadline=None, max_examples=60)
def test_recall_is_that_of_the_best_threshold_within_the_rate(rows: list[tuple[float, int, str]], rate: float) -> None:
    positives = [score for score, label, _ in rows if label]
    negatives = [score for score, label, _ in rows if not label]
    if not positives or not negatives:
        return
    allowed = [
        sum(score >= threshold for score in positives) / len(positives)
        for threshold in (0.0, 0.3, 0.5, 0.9, 2.0)
        if sum(score >= threshold for score in negatives) / len(negatives) <= rate
    ]

    figure = recall_at(scores_of(*map(list, zip(*rows, strict=True))), rate)

    assert figure.value == pytest.approx(max(allowed))


def test_within_groups_only_pairs_of_one_group_count() -> None:
    rows = scores_of([0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1], ["a", "a", "b", "b"])

    assert auc(rows).value == 0.75
    assert within_group_auc(rows) == ((1.0, (1.0, 1.0)), 2)


def test_an_interval_is_as_wide_as_the_groups_are_few() -> None:
    scores, labels = [0.1, 0.7, 0.4, 0.9] * 25, [0, 0, 1, 1] * 25

    few = auc(scores_of(scores, labels, [str(number // 50) for number in range(100)])).interval
    many = auc(scores_of(scores, labels, [str(number) for number in range(100)])).interval

    assert many is not None
    assert few is not None
    assert many[0] < 0.75 < many[1]
    assert few == (0.75, 0.75)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert proportion(0, 670).interval == pytest.approx((0.0, 0.0057), abs=1e-4)
    assert proportion(85, 85).interval == pytest.approx((0.9568, 1.0), abs=1e-4)
    assert proportion(0, 0) == (None, None)


def test_what_structure_tells_is_learned_and_what_it_does_not_is_not() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(400, 3))
    labels = (features[:, 0] > 0).astype(float)
    groups = [str(number // 4) for number in range(400)]

    told = held_out_scores(Examples(features, labels, groups, "unsplit"))
    noise = held_out_scores(Examples(features, random.permutation(labels), groups, "unsplit"))

    assert told is not None
    assert noise is not None
    assert (auc(scores_of(list(told), [int(each) for each in labels], groups)).value or 0) > 0.98
    assert auc(scores_of(list(noise), [int(each) for each in labels], groups)).value == pytest.approx(0.5, abs=0.1)


def test_the_mean_of_several_data_sets_is_unweighted_and_compares_no_rows_of_two() -> None:
    poor = scores_of([0.9] * 10, [0, 1] * 5, [str(number) for number in range(10)])
    good = scores_of([0.1, 0.2] * 50, [0, 1] * 50, [str(number) for number in range(100)])

    mean = mean_auc([poor, good])

    assert (mean.value, mean.interval) == (0.75, (0.75, 0.75))
    assert mean_recall_at([poor, good], 0.05).value == 0.5


def test_the_interval_of_a_mean_is_narrower_than_that_of_its_parts() -> None:
    rows = scores_of([0.1, 0.7, 0.4, 0.9] * 10, [0, 0, 1, 1] * 10, [str(number) for number in range(40)])

    (low, high), (mean_low, mean_high) = auc(rows).interval or (0, 0), mean_auc([rows] * 5).interval or (0, 0)

    assert 0 < mean_high - mean_low < 0.6 * (high - low)


def test_there_is_no_mean_where_a_data_set_has_one_label_only() -> None:
    assert mean_auc([scores_of([0.1, 0.2], [1, 1], ["a", "b"])]) == (None, None)
    assert mean_auc([]) == (None, None)


def test_what_the_words_of_tasks_tell_is_learned_and_what_they_do_not_is_not() -> None:
    texts = [f"please {'delete' if number % 2 else 'show'} the report {number // 2}" for number in range(60)]
    labels = np.asarray([number % 2 for number in range(60)], float)
    noise = np.asarray([number // 2 % 2 for number in range(60)], float)

    told = task_scores(Tasks(texts[:40], labels[:40], (), "train"), texts[40:])
    held_out = held_out_task_scores(Tasks(texts, labels, [text[-2:] for text in texts], "unsplit"))
    of_noise = held_out_task_scores(Tasks(texts, noise, [text[-2:] for text in texts], "unsplit"))

    assert _auc(told, labels[40:]) == 1.0
    assert held_out is not None
    assert of_noise is not None
    assert _auc(held_out, labels) == 1.0
    assert _auc(of_noise, noise) < 0.6


def test_words_of_development_tasks_are_never_learned() -> None:
    with pytest.raises(NotForFitting):
        task_scores(Tasks(["a task", "a task"], np.asarray([0.0, 1.0]), (), "dev"), ["a task"])


def _auc(scores: Floats, labels: Floats) -> float:
    figure = auc(scores_of(list(scores), [int(each) for each in labels], [str(each) for each in range(len(labels))]))
    assert figure.value is not None
    return figure.value
