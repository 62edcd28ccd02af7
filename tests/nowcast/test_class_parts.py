from __future__ import annotations

import base64
import csv
import io

import numpy as np
import pytest
from class_samples import make_data, make_facts, make_run, run_of
from PIL import Image

from nowcast.evaluation import ClassTally
from nowcast.report.classes.confusion import make_class_rows, make_matrix
from nowcast.report.classes.curves import percent_axis, read_curves
from nowcast.report.classes.facts import Curve, Curves, RunFacts
from nowcast.report.classes.numbers import class_downloads, run_table
from nowcast.report.classes.page import (
    render_classes,
)
from nowcast.report.classes.pictures import image_uri
from nowcast.report.classes.runs import run_rows
from nowcast.report.classes.verdict import class_verdict
from nowcast.report.classes.words import multiply_adds, per_cent, signed


def test_the_verdict_says_how_good_and_what_is_hard() -> None:
    counts = np.array([[90, 0, 10], [0, 100, 0], [30, 0, 70]])
    told = class_verdict(make_facts(run_of(counts), images={}, inside=()))
    assert told[0] == (
        "vgg-small names 86.67 % of 300 test images of Fashion-MNIST rightly "
        "(95 % interval 82.35 to 90.05 %)."
    )
    assert told[1] == (
        "Hardest is Pullover: 70.0 % of it is recognised, and 30 of 100 images are taken for "
        "T-shirt/top, the commonest mistake."
    )


@pytest.mark.parametrize(
    ("sure", "sentence"),
    [
        (20.0, "It is too sure of itself: on average it says > 99.9 % and is right in 75.0 % "),
        (0.1, "It is too unsure of itself: on average it says 52.5 % and is right in 75.0 % "),
        (float(np.log(3)), "It is about as sure as it is right (calibration error 0.0 points)."),
    ],
)
def test_the_verdict_says_whether_its_odds_are_honest(sure: float, sentence: str) -> None:
    counts = np.array([[75, 25], [25, 75]])
    told = class_verdict(make_facts(run_of(counts, sure), images={}, inside=()))
    assert any(held.startswith(sentence) for held in told), told


def test_the_verdict_names_overfitting_only_where_training_is_far_ahead() -> None:
    ahead = Curves(accuracy=Curve((1.0,), (0.99,)), validation_accuracy=Curve((1.0,), (0.9,)))
    level = Curves(accuracy=Curve((1.0,), (0.92,)), validation_accuracy=Curve((1.0,), (0.9,)))
    assert (
        "It overfits: in the end 99.0 % of the training images are right, but 90.0 % of the "
        "validation images." in class_verdict(make_facts(make_run(curves=ahead)))
    )
    assert not any("overfits" in held for held in class_verdict(make_facts(make_run(curves=level))))


def test_the_verdict_compares_image_by_image() -> None:
    right = np.arange(900) % 10 > 0
    less, same = right & (np.arange(900) % 7 > 0), right.copy()
    same[[0, 1]] = [True, False]
    run = make_run(correct=right)
    told = class_verdict(
        make_facts(
            run,
            make_run("a", correct=less),
            make_run("b", correct=same),
            make_run("c", correct=None),
        )
    )
    gap = 100 * (right.mean() - less.mean())
    assert told[-1] == (
        f"vgg-small is better than a by {gap:.2f} points; not to be told apart from b on these "
        "images."
    )


def test_confusion_matrix_holds_every_image_and_colours_shares() -> None:
    counts = np.array([[90, 0, 10], [0, 100, 0], [30, 0, 70]])
    rows = make_matrix(run_of(counts).tally, ("a", "b", "c"))
    assert [[cell.count for cell in cells] for _, cells in rows] == counts.tolist()
    assert [[cell.right for cell in cells] for _, cells in rows] == np.eye(3, dtype=bool).tolist()
    cell = rows[2][1][0]
    assert (cell.share, cell.tip) == ("30.0", "30 of 100 of c taken for a (30.0 %)")
    strengths = [cell.strength for cell in rows[0][1]]
    assert strengths[0] > strengths[2] > strengths[1] == 0


def test_lowest_of_each_column_is_marked_and_means_follow() -> None:
    counts = np.array([[90, 0, 10], [0, 100, 0], [30, 0, 70]])
    rows = make_class_rows(run_of(counts).tally, ("a", "b", "c"))
    assert [row.name for row in rows] == ["a", "b", "c", "Mean of classes", "Mean of images"]
    assert rows[0].cells[:3] == ("100", "0.750", "0.900")
    assert rows[0].worst[:3] == (False, True, False)
    assert rows[2].worst[:4] == (False, False, True, True)
    assert rows[3].cells[2] == "0.867"


def test_runs_that_cannot_be_paired_still_show_their_difference() -> None:
    runs = [make_run("a"), make_run("b", seed=2, correct=None)]
    cell = run_rows(runs)[1].cells[1]
    gap = 100 * (runs[1].tally.accuracy() - runs[0].tally.accuracy())
    assert (cell.text, cell.small) == (signed(gap, 2), "")


def log_lines() -> list[dict[str, object]]:
    """Two epochs of three steps, a validation after each."""
    lines: list[dict[str, object]] = []
    for step, loss in enumerate((3.0, 2.0, 1.0, 0.9, 0.6, 0.3), 1):
        lines.append({"step": step, "loss": loss, "learning_rate": 0.1 / step})
        if step % 3 == 0:
            sums = {"loss": 10.0 * loss, "correct": 4 + step, "weight": 10}
            lines.append({"step": step, "validation": sums})
    return lines


def test_curves_are_means_between_validations() -> None:
    held = read_curves(log_lines(), 3)
    assert held.loss == Curve((1.0, 2.0), (2.0, pytest.approx(0.6)))
    assert held.validation_loss == Curve((1.0, 2.0), (1.0, 0.3))
    assert held.validation_accuracy == Curve((1.0, 2.0), (0.7, 1.0))
    assert held.accuracy is None
    assert held.learning_rate is not None


def test_curves_without_validation_are_means_of_epochs() -> None:
    held = read_curves([line for line in log_lines() if "loss" in line], 2)
    assert held.loss == Curve((1.0, 2.0, 3.0), (2.5, pytest.approx(0.95), pytest.approx(0.45)))
    assert held.validation_loss is None
    assert read_curves([], 2) == Curves()


def test_a_curve_of_uneven_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected as many values as epochs, found 1 and 2"):
        Curve((1.0, 2.0), (1.0,))


def test_axis_of_per_cent_leaves_out_a_bad_start_and_never_passes_100() -> None:
    axis = percent_axis(np.array([10.0, 90.0, 97.0, 98.0, 99.0, 99.5]))
    assert axis.low > 50
    assert max(value for value, _ in axis.ticks) <= 100


def downloaded(run: RunFacts) -> dict[str, list[dict[str, str]]]:
    files = {}
    for file in class_downloads(run, make_data(run.tally.classes).classes):
        text = base64.b64decode(file.address.split(",", 1)[1]).decode()
        files[file.name] = list(csv.DictReader(io.StringIO(text)))
    return files


def test_downloads_hold_the_numbers_of_the_tally() -> None:
    run = make_run()
    files = downloaded(run)
    assert list(files) == [
        "classes.csv",
        "confusion.csv",
        "roc.csv",
        "reliability.csv",
        "course.csv",
    ]
    assert [float(row["recall"]) for row in files["classes.csv"]] == pytest.approx(
        run.tally.recall()
    )
    cells = [list(row.values())[1:] for row in files["confusion.csv"]]
    assert np.array(cells, int).tolist() == run.tally.confusion().tolist()
    assert sum(int(row["images"]) for row in files["reliability.csv"]) == 900
    assert {row["curve"] for row in files["course.csv"]} >= {"loss", "validation_accuracy"}
    ends = [row for row in files["roc.csv"] if row["class"] == "Shirt"]
    assert float(ends[0]["false_positive_rate"]) == 0
    assert float(ends[-1]["true_positive_rate"]) == 1


def test_table_of_runs_has_their_scores_and_costs() -> None:
    runs = [make_run("a", parameters=360_714), make_run("b", seed=1)]
    table = run_table(runs, make_data().classes)
    assert table["run"].tolist() == ["a", "b"]
    assert table["accuracy"].tolist() == [run.tally.accuracy() for run in runs]
    assert table["parameters"].tolist()[0] == 360_714
    assert (table["accuracy_low"] < table["accuracy"]).all()


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))


def test_small_pictures_are_exact_and_large_ones_smaller() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (28, 28))
    for pixels in (grey, grey[None], grey[None].astype(np.float32)):
        picture = opened(image_uri(pixels))
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture), grey)
    photo = opened(image_uri(np.full((3, 300, 400), 128.0)))
    assert (photo.format, photo.size, photo.mode) == ("JPEG", (192, 144), "RGB")
    with pytest.raises(ValueError, match=r"expected \(H, W\).* found \(2, 8, 8\)"):
        image_uri(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.9412, 2, "94.12 %"),
        (1.0, 1, "100.0 %"),
        (0.0, 1, "0.0 %"),
        (0.99999, 2, "> 99.99 %"),
        (0.00001, 1, "< 0.1 %"),
        (float("nan"), 1, "–"),
    ],
)
def test_a_share_is_all_or_none_only_where_it_is(share: float, decimals: int, text: str) -> None:
    assert per_cent(share, decimals) == text


def test_counts_of_work_are_words() -> None:
    told = [multiply_adds(count) for count in (None, 840, 5_100_000, 15_470_000_000)]
    assert told == ["–", "840", "5.1 million", "15.5 billion"]
    assert [signed(value, 1) for value in (0.26, -0.26, 0.04)] == ["+0.3", "−0.3", "0.0"]


def test_tally_without_images_has_no_matrix_of_nan() -> None:
    rows = make_matrix(ClassTally(3), ("a", "b", "c"))
    assert all(cell.strength == 0 for _, cells in rows for cell in cells)


def test_no_class_is_marked_lowest_where_all_are_alike() -> None:
    rows = make_class_rows(run_of(np.array([[75, 25], [25, 75]])).tally, ("a", "b"))
    assert not any(any(row.worst) for row in rows)


def test_share_of_a_weighted_validation_is_of_its_labels() -> None:
    sums = {"loss": 6.0, "correct": 6, "weight": 12.0, "labelled": 8}
    held = read_curves([{"step": 4, "learning_rate": 0.1, "validation": sums}], 4)
    assert held.validation_accuracy == Curve((1.0,), (0.75,))
    assert held.validation_loss == Curve((1.0,), (0.5,))
    assert held.learning_rate is None


def test_unknown_speed_is_a_dash() -> None:
    run = make_run(images_per_second=float("nan"), seconds_training=60.0)
    assert "– images/s" in render_classes(make_facts(run))
