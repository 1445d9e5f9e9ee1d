from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.paths import shipped


def test_states_the_agreement(run_cli, tmp_path):
    out = tmp_path / "m.tflite"
    model = shipped("models") / "digits-tiny.onnx"
    code, text, _ = run_cli("convert", model, "-o", out, "--check", "digits:test[0:50]")
    assert code == 0
    assert "of 50 images have the same top class" in text
    assert read_tflite(out).ops


def test_calibration_needs_sigma(run_cli, tmp_path):
    model = shipped("models") / "digits-tiny.onnx"
    code, _, error = run_cli("convert", model, "-o", tmp_path / "m.tflite", "--calibrate", "digits:train[0:9]")
    assert code == 2
    assert "--calibrate needs --sigma" in error
    assert not list(tmp_path.iterdir())


def test_a_bad_number_is_named(run_cli, tmp_path):
    code, _, error = run_cli("convert", "m.onnx", "-o", tmp_path / "m.tflite", "--mean", "a,b")
    assert code == 2
    assert "'a,b' is not a list of numbers" in error
