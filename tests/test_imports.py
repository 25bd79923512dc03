"""Who may import whom: arrows point down the house only, and each library has one home."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import digitnet
from tests.conftest import EXAMPLES

PACKAGE = Path(digitnet.__file__).parent
BELOW: dict[str, set[str]] = {
    "cli": {"training", "models", "data", "imaging", "nn"},
    "training": {"models", "data", "imaging", "nn"},
    "models": {"imaging", "nn"},
    "data": {"imaging"},
    "imaging": set(),
    "nn": set(),
    "": set(),
}
"""The packages that each may import from, beside its own and what lies in none."""
FLOORS: dict[str, list[set[str]]] = {
    "training": [
        {"search"},
        {"search_workers"},
        {"rbm", "session"},
        {"trainer", "calibration"},
        {"evaluation", "chart"},
    ],
    "models": [{"onnx_export", "recognizer", "weight_plot"}, {"model_file"}, {"model", "hdf5"}],
    "data": [{"augment", "datasets", "download", "negatives", "style_variants"}, {"libsvm", "pypi_mirror"}],
    "imaging": [
        {"segmentation", "image_files"},
        {"normalize"},
        {"cleanup"},
        {"components", "limits", "preprocess", "stacks"},
    ],
    "nn": [
        {"conv_to_dense"},
        {"network", "optimizers"},
        {"architecture"},
        {"convolution"},
        {"layers", "losses"},
        {"activations"},
    ],
    "": [{"atomic_files", "parallel"}, {"checks", "errors", "processes", "types", "version"}],
}
"""Each package from its top floor down; a module imports only from floors below its own."""
HOMES = {
    "pillow_heif": {"imaging"},
    "PIL": {"imaging", "data.negatives", "training.chart"},
    "h5py": {"models.hdf5"},
    "urllib": {"data.download"},
    "http": {"data.download"},
    "onnx": {"models.onnx_export"},
    "optuna": {"training.search"},
    "multiprocessing": {"parallel", "training.search", "training.search_workers"},
    "click": {"cli"},
    "tqdm": {"cli", "training.session"},
    "pickle": {"data.pypi_mirror"},
    "subprocess": {"data.pypi_mirror", "models.model_file", "training.search_workers"},
}
"""The packages or modules that alone may import a library."""
SOURCES = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent.name == "cli"]


def module_of(path: Path) -> tuple[str, str]:
    """Its package, which is empty for what lies in none, and its name."""
    *package, name = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(package), name


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (PACKAGE.parent / (node.module or "").replace(".", "/")).is_dir():
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    package, module = module_of(path)
    if module == "__main__":
        return
    for name in imports(path):
        library, *rest = name.split(".")
        if library in HOMES:
            assert {package, f"{package}.{module}".strip(".")} & HOMES[library], f"{path} imports {library}"
        if library != "digitnet" or not rest:
            continue
        its_package, its_module = (rest[0], rest[1]) if rest[0] in BELOW else ("", rest[0])
        if its_package == package != "cli":
            floor = {name: number for number, names in enumerate(FLOORS[package]) for name in names}
            assert floor[its_module] > floor[module], f"{path} imports {name}"
        elif its_package and its_package != package:
            assert its_package in BELOW[package], f"{path} imports {name}"


def test_every_module_has_a_floor() -> None:
    modules = {module_of(path) for path in SOURCES if path.name not in ("__main__.py", "__init__.py")}
    floors = {(package, name) for package, floors in FLOORS.items() for names in floors for name in names}
    assert {module for module in modules if module[0] != "cli"} == floors


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert "print" not in {func.id for func in calls if isinstance(func, ast.Name)}


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        *((arguments, ["numpy", "h5py", "PIL", "tqdm"]) for arguments in (["--help"], ["--version"], [])),
        (
            ["predict", str(EXAMPLES / "7.png")],
            ["numpy.ma", "tqdm", "multiprocessing", "digitnet.imaging.segmentation", "h5py"],
        ),
    ],
)
def test_start_up_needs_little(arguments: list[str], needless: list[str]) -> None:
    code = (
        "import sys; from digitnet.cli import run; run(sys.argv[1:]); "
        f"print([module for module in {needless} if module in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert result.stderr.splitlines()[-1] == "[]"


def test_everything_public_can_be_imported() -> None:
    for name in digitnet.__all__:
        assert getattr(digitnet, name).__doc__
    assert set(digitnet.__all__) <= set(dir(digitnet))
    with pytest.raises(AttributeError, match="nothing"):
        _ = digitnet.nothing
