"""What is measured is what happened."""

import json

import numpy as np
import pytest

import sklearn_jin
from sklearn_jin import FlatNeighbors, HNSWNeighbors
from sklearn_jin.__main__ import main
from sklearn_jin.benchmark import counting, curve, load, measure, report
from sklearn_jin.benchmark.peers import PEERS

MODULES = {"hnswlib": "hnswlib", "faiss-ivf": "faiss", "scann": "scann"}  # of peers


@pytest.fixture(scope="module")
def data():
    return load("clustered:300x4")


@pytest.fixture(scope="module")
def points(data):
    return list(measure(data, k=3, repeats=1))


def judge(data, k):
    """The judge of ``measure``, and the exact ids."""
    flat = FlatNeighbors(metric=data.metric).fit(data.X)
    ids = flat.kneighbors(data.queries, k, return_distance=False)
    bound = curve._scores(flat, data.queries, ids.astype(np.int32))[:, -1:]
    return curve._Judge(data, k, flat, bound), ids


def test_exact_indexes_come_first_and_are_exact(points):
    assert [point.index for point in points[:2]] == [
        "NearestNeighbors",
        "FlatNeighbors",
    ]
    assert all(point.recall == 1 for point in points[:2])


def test_wider_searches_do_more(points):
    graph = [point for point in points if point.index == "HNSWNeighbors"]
    assert graph and all(point.hops > 0 for point in graph)
    assert [p.scores for p in graph] == sorted(p.scores for p in graph)


def test_graphs_are_told_how_near_to_the_bound_of_memory_they_are(points):
    for point in points:
        if point.index == "HNSWNeighbors":
            assert point.lines > point.hops + point.scores
            assert point.efficiency > 0
        else:
            assert point.lines == point.efficiency == 0


@pytest.mark.parametrize("quantizer", curve.QUANTIZERS)
def test_every_name_of_a_quantizer_stands_for_one(quantizer, data):
    index = HNSWNeighbors(quantizer=curve.QUANTIZERS[quantizer], random_state=0)
    index.fit(data.X)
    name = type(index.quantizer_).__name__.lower()
    kind, bits = (
        quantizer.rstrip("0123456789"),
        quantizer.lstrip("abcdefghijklmnopqrstuvwxyz"),
    )
    assert kind in ("none", "auto") or name.startswith(kind)
    assert not bits or index.quantizer_.n_bits == int(bits)


@pytest.mark.jit
def test_an_index_is_measured_on_each_of_the_codes():
    names = ["HNSWNeighbors", "HNSWNeighbors scalar8"]
    data = load("clustered:60x4")
    points = measure(data, k=3, repeats=1, quantizers=["none", "scalar8"])
    graphs = [point for point in points if point.index in names]
    assert list(dict.fromkeys(point.index for point in graphs)) == names
    rows, codes = (next(p for p in graphs if p.index == name) for name in names)
    assert codes.bytes_per_row == pytest.approx(rows.bytes_per_row + 16, abs=2)


def labels(names, data, quantizers):
    """What is measured under which label, with the parameter ``quantizer`` or None."""
    candidates = curve._candidates(data, names, (), quantizers)
    return {
        label: index.get_params(deep=False).get("quantizer")
        for label, index, knob, _ in candidates
        if knob is not None
    }


@pytest.mark.jit
def test_the_codes_asked_for_are_those_of_an_index_that_takes_any(data):
    found = labels(["IVFNeighbors"], data, ["none", "auto", "rabitq4"])
    assert found == {
        "IVFNeighbors": None,
        "IVFNeighbors auto": "auto",
        "IVFNeighbors rabitq4": curve.QUANTIZERS["rabitq4"],
    }
    assert sklearn_jin.IVFNeighbors().quantizer == "auto"


@pytest.mark.jit
@pytest.mark.parametrize("name", ["IVFPQNeighbors", "ScaNNNeighbors"])
def test_an_index_with_codes_of_its_own_is_measured_once(name, data):
    assert list(labels([name], data, ["none", "auto"])) == [name]


def test_every_index_that_searches_approximately_has_a_sweep():
    names = {name for name in sklearn_jin.__all__ if name.endswith("Neighbors")}
    assert set(curve.SWEEPS) == names - {"FlatNeighbors", "AutoNeighbors"}


@pytest.mark.jit
@pytest.mark.parametrize("name", ["IVFNeighbors", "IVFPQNeighbors", "ScaNNNeighbors"])
def test_lists_are_measured_without_hops(name, data):
    points = [p for p in measure(data, 3, [name], repeats=1) if p.index == name]
    assert points[0].setting == "n_probes=4"
    assert all(p.hops == p.lines == p.efficiency == 0 < p.scores for p in points)
    assert [p.scores for p in points] == sorted(p.scores for p in points)


@pytest.mark.parametrize("peer", MODULES)  # not pynndescent, which compiles for long
def test_a_peer_finds_rows_under_every_metric_that_it_has(peer):
    pytest.importorskip(MODULES[peer])
    data = load("clustered:1800x7")
    kind, knob, values = PEERS[peer]
    for metric in sorted(kind.METRICS):
        measured, _ = judge(data._replace(metric=metric), 4)
        index = kind(metric=metric, **{knob: values[-1]}).fit(data.X)
        for n_jobs in (1, 2):
            index.n_jobs = n_jobs
            ids = index.ids(data.queries, 4)
            assert ids.shape == (len(data.queries), 4)
            assert measured.recall(ids) > 0.6


def test_all_that_is_measured_is_positive(points):
    for point in points:
        assert point.build_s > 0 and point.qps_one > 0 and point.qps_all > 0


def test_recall_is_the_share_of_right_answers(data):
    measured, ids = judge(data, 4)
    wrong = ids.copy()
    farthest = FlatNeighbors(n_neighbors=250).fit(data.X).kneighbors(data.queries)[1]
    wrong[:, 0] = farthest[:, -1]
    assert measured.recall(ids) == 1
    assert measured.recall(wrong) == 0.75


def test_a_repeated_answer_counts_once(data):
    measured, ids = judge(data, 4)
    assert measured.recall(np.repeat(ids[:, :1], 4, axis=1)) == 0.25


def test_metrics_that_scikit_learn_lacks_are_measured_without_it():
    data = load("clustered:60x3", metric="angular")
    points = list(measure(data, k=2, repeats=1))
    assert points[0].index == "FlatNeighbors"


@pytest.mark.jit
def test_a_peer_is_refused_for_a_metric_that_it_lacks(data):
    with pytest.raises(ValueError, match="hnswlib is not measured with"):
        list(
            measure(
                data._replace(metric="manhattan"), k=2, peers=["hnswlib"], repeats=1
            )
        )


@pytest.mark.jit
def test_work_is_counted_only_while_asked_for(data):
    index = HNSWNeighbors(exact_threshold=0, random_state=0).fit(data.X)
    with counting() as work:
        index.kneighbors(data.queries)
    before = work.copy()
    index.kneighbors(data.queries)
    assert (work > 0).all() and (work == before).all()


def point(recall, qps):
    return curve.Point("a", "", 1, 1, recall, qps, 2 * qps, 0, 0)


def test_speed_is_interpolated_on_the_frontier():
    slow = point(0.8, 50.0)  # slower than one of higher recall
    points = [slow, point(0.85, 400.0), point(0.95, 100.0)]
    assert report.speed_at(points, 0.9, "qps_one") == pytest.approx(200)
    assert report.speed_at(points, 0.8, "qps_all") == pytest.approx(800)
    assert report.speed_at(points, 0.96, "qps_one") is None


def test_the_summary_has_a_line_for_every_index(points):
    lines = list(report.summary(points))
    assert [line.split()[0] for line in lines[2:]] == [
        "NearestNeighbors",
        "FlatNeighbors",
        "HNSWNeighbors",
    ]


def test_the_command_prints_a_table_and_draws(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((120, 3)))
    picture = tmp_path / "picture.png"
    arguments = ["benchmark", str(tmp_path / "rows.npy"), "-k", "2", "--repeats", "1"]
    assert main([*arguments, "--plot", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rows: 100 rows of 3, 20 queries, euclidean, k = 2"
    assert any(line.startswith("HNSWNeighbors") for line in lines)
    assert picture.stat().st_size > 10_000


@pytest.mark.jit
def test_the_command_takes_quantizers(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((60, 3)))
    arguments = ["benchmark", str(tmp_path / "rows.npy"), "-k", "2", "--repeats", "1"]
    assert main([*arguments, "--quantizer", "auto", "--no-plot"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("of bound")
    graphs = [line for line in lines if line.startswith("HNSW")]
    assert graphs and all(line.startswith("HNSWNeighbors auto") for line in graphs)


def test_the_command_says_which_quantizers_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "--quantizer", "bogus"])
    assert "scalar4" in capsys.readouterr().err


def test_the_command_says_which_peers_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "--peers", "bogus"])
    error = capsys.readouterr().err
    assert all(peer in error for peer in PEERS)


def test_the_command_prints_json(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((60, 3)))
    arguments = ["benchmark", str(tmp_path / "rows.npy"), "-k", "2", "--repeats", "1"]
    assert main([*arguments, "--json", "--no-plot"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"]["rows"] == 50 and told["points"][0]["recall"] == 1


def test_the_command_says_what_is_wrong(capsys):
    assert main(["benchmark", "nothing.npy"]) == 2
    assert "nothing.npy" in capsys.readouterr().err


def test_the_command_tells_of_the_machine(capsys):
    assert main(["info"]) == 0
    assert "numba" in capsys.readouterr().out


def test_the_command_measures_the_indexes_asked_for(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((60, 3)))
    arguments = ["benchmark", str(tmp_path / "rows.npy"), "-k", "2", "--repeats", "1"]
    names = ["VamanaNeighbors", "DualBranchHNSWNeighbors"]
    assert main([*arguments, "--index", *names, "--no-plot"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in names)
    assert not any(line.startswith("HNSW") for line in out.splitlines())
