"""Makes Tests/ScoringTests/Fixtures/linear: models of scikit-learn 1.9.1 written as plain JSON.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python3 Tests/Fixtures/make_linear.py

Of each fixture there are a model (.json) and NAME.expected.txt: the name of the input table, then
for each row the raw scores, a semicolon, and the predictions, as hexadecimal floats.
"""

import json
import pathlib
import sys

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

assert sklearn.__version__ == "1.9.1", sklearn.__version__
FOLDER = pathlib.Path(__file__).parent.parent / "ScoringTests" / "Fixtures" / "linear"
FOLDER.mkdir(parents=True, exist_ok=True)


def names(count):
    return [f"column {i}" for i in range(count)]


def write_table(name, rows):
    lines = ["\t".join(names(rows.shape[1]))]
    lines += ["\t".join(repr(float(v)) for v in row) for row in rows]
    (FOLDER / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def write(name, table, model, raw, predictions):
    (FOLDER / f"{name}.json").write_text(json.dumps(model, indent=1))
    lines = [table]
    for one, other in zip(np.asarray(raw, dtype=float).reshape(len(raw), -1),
                          np.asarray(predictions, dtype=float).reshape(len(raw), -1)):
        spelled = lambda values: " ".join(float(v).hex() for v in values)
        lines.append(f"{spelled(one)};{spelled(other)}")
    (FOLDER / f"{name}.expected.txt").write_text("\n".join(lines) + "\n")


def labelled(label, scores):
    return np.column_stack([label, scores])


diabetes, iris, cancer = load_diabetes(), load_iris(), load_breast_cancer()
X, Y = diabetes.data[:80] * 20, diabetes.target[:80]
write_table("diabetes", X)
F = names(X.shape[1])
m = LinearRegression().fit(X, Y)
write("linear", "diabetes", {
    "model": "linear", "features": F, "coefficients": m.coef_.tolist(),
    "intercepts": float(m.intercept_), "means": X.mean(0).tolist(),
}, m.predict(X), m.predict(X))
m = Ridge().fit(X, np.stack([Y, Y ** 0.5], 1))
write("ridge_two", "diabetes", {
    "model": "linear", "features": F, "coefficients": m.coef_.tolist(),
    "intercepts": m.intercept_.tolist(), "outputs": ["value", "root"], "note": {"by": [1, "x"]},
}, m.predict(X), m.predict(X))
m = PoissonRegressor(max_iter=500).fit(X, Y)
write("poisson", "diabetes", {
    "model": "linear", "features": F, "coefficients": m.coef_.tolist(),
    "intercepts": m.intercept_, "link": "exp",
}, np.log(m.predict(X)), m.predict(X))

X = StandardScaler().fit_transform(cancer.data)[:90]
write_table("cancer", X)
m = LogisticRegression(max_iter=1000).fit(X, cancer.target[:90])
d = m.decision_function(X)
write("logistic_binary", "cancer", {
    "model": "logistic", "features": names(30), "classes": m.classes_.tolist(),
    "coefficients": m.coef_.tolist(), "intercepts": m.intercept_.tolist(),
}, labelled(m.predict(X), np.stack([-d, d], 1)), labelled(m.predict(X), m.predict_proba(X)))

X, Y = iris.data, iris.target
write_table("iris", X)
F = names(4)
m = LogisticRegression(max_iter=1000).fit(X, iris.target_names[Y])
labels = np.argmax(m.predict_proba(X), 1)
write("logistic_softmax", "iris", {
    "model": "logistic", "features": F, "classes": m.classes_.tolist(), "link": "softmax",
    "coefficients": m.coef_.tolist(), "intercepts": m.intercept_.tolist(),
}, labelled(labels, m.decision_function(X)), labelled(labels, m.predict_proba(X)))
m = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(X, Y)
d = m.decision_function(X)
write("logistic_ovr", "iris", {
    "model": "logistic", "features": F, "classes": m.classes_.tolist(), "link": "ovr",
    "coefficients": [e.coef_[0].tolist() for e in m.estimators_],
    "intercepts": [float(e.intercept_[0]) for e in m.estimators_],
}, labelled(m.predict(X), d), labelled(m.predict(X), m.predict_proba(X)))
m = KMeans(4, n_init=3, random_state=1).fit(X)
distances = np.sqrt(((X[:, None, :] - m.cluster_centers_[None]) ** 2).sum(2))
assert np.allclose(distances, m.transform(X), 1e-6)
write("kmeans", "iris", {
    "model": "kmeans", "features": F, "centers": m.cluster_centers_.tolist(),
}, labelled(m.predict(X), distances), labelled(m.predict(X), distances))
for whiten in [False, True]:
    m = PCA(3, whiten=whiten).fit(X)
    write("pca_whiten" if whiten else "pca", "iris", {
        "model": "pca", "features": F, "mean": m.mean_.tolist(),
        "components": m.components_.tolist(), "whiten": whiten,
        "explained_variance": m.explained_variance_.tolist(),
    }, m.transform(X), m.transform(X))
print(sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes", file=sys.stderr)
