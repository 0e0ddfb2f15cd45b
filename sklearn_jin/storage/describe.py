"""What a folder holds, for people: ``python -m sklearn_jin info PATH``."""

from sklearn_jin.storage import arrays
from sklearn_jin.storage.kept import Folder


def describe(path, verify=False):
    """Yield lines about the folder ``path``; raises the errors of ``load``.

    The last line says that it is whole, and by what that was found out.
    """
    folder = Folder(path, map_them=True, verify=verify)
    estimator = folder.objects()[-1]
    told = folder.manifest
    stored = told["arrays"]
    sizes = [arrays.n_bytes(entry.dtype, entry.shape) for entry in stored]
    yield _line("holds", told["class"])
    yield _line("parameters", _changed(estimator))
    yield _line("features", getattr(estimator, "n_features_in_", "unknown"))
    for segment in told["segments"]:
        yield _line("rows", f"{segment['rows']:,}")
    yield _line("bytes", f"{sum(sizes):,} in {len(stored)} arrays")
    yield _line("format", told["version"])
    yield _line("generation", told["generation"])
    made_by = (f"{name} {version}" for name, version in told["made_by"].items())
    yield _line("made by", ", ".join(made_by))
    for entry, size in sorted(zip(stored, sizes), key=lambda pair: -pair[1]):
        if size > arrays.SMALL:
            shape = " x ".join(f"{n:,}" for n in entry.shape)
            yield _line(entry.file, f"{shape} of {entry.dtype}, crc32 {entry.crc32}")
    checked = sum(size for size in sizes if verify or size <= arrays.SMALL)
    yield _line("whole", f"as far as sizes, structure and {checked:,} bytes tell")


def _line(name, value):
    return f"{name:<14}{value}" if len(name) < 14 else f"{name}  {value}"


def _changed(estimator):
    """The parameters that are not those of a new estimator, as its repr has them."""
    text = " ".join(repr(estimator).split())
    return text.partition("(")[2].removesuffix(")") or "the defaults"
