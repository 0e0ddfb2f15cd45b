"""
Graphs of neighbours in a pipeline
==================================

:class:`~sklearn_jin.HNSWTransformer` turns rows into a sparse graph of their
neighbours, which many estimators of scikit-learn take in the place of the rows.
Here one graph serves a classifier in a grid search, and a map of the digits.
"""

# %%
# A cached grid search
# --------------------
# With ``memory``, the pipeline keeps each graph that it has computed: candidates
# that differ only in the classifier share one.  The transformer has the largest
# number of neighbours in the grid, and classifiers take the first of each row.

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sklearn_jin import HNSWTransformer

X, y = load_digits(return_X_y=True)
numbers = [1, 2, 3, 5, 8, 13, 21]
widths = [22, 50]  # of the search; less than the neighbours asked for is raised

with TemporaryDirectory() as folder:
    model = make_pipeline(
        HNSWTransformer(n_neighbors=max(numbers), random_state=0),
        KNeighborsClassifier(metric="precomputed"),
        memory=folder,
    )
    grid = {
        "hnswtransformer__ef_search": widths,
        "kneighborsclassifier__n_neighbors": numbers,
    }
    search = GridSearchCV(model, grid, cv=5).fit(X, y)

print(search.best_params_, f"accuracy {search.best_score_:.4f}")
scores = np.reshape(search.cv_results_["mean_test_score"], (len(widths), len(numbers)))

# %%
# A map of the digits
# -------------------
# Isomap with ``n_neighbors=10`` needs a graph of ten neighbours or more.

embedding = make_pipeline(
    HNSWTransformer(n_neighbors=10, random_state=0),
    Isomap(n_neighbors=10, metric="precomputed"),
).fit_transform(X)

# %%
# The pictures
# ------------
# On the left, the two lines lie close together: a narrow search already finds
# nearly all that decides the vote.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for width, row in zip(widths, scores):
    left.plot(numbers, row, marker="o", label=f"ef_search={width}")
left.set(
    xlabel="n_neighbors of the classifier",
    ylabel="accuracy, 5 folds",
    title="Grid search, one graph a width and fold",
)
left.grid(alpha=0.3)
left.legend()
points = right.scatter(*embedding.T, c=y, cmap="tab10", s=6)
right.legend(*points.legend_elements(), ncols=2, fontsize="small", title="digit")
right.set(title="Isomap of the digits", xticks=[], yticks=[])
plt.show()
