"""CPU seconds of a scikit-learn model: fits and predictions alone, over all folds.

classical.py FOLDER COLUMNS MODEL; the folder is written by benches/classical.rs.
"""

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

MODELS = {
    "logistic": lambda: LogisticRegression(C=1.0, max_iter=1000),
    # As near to the optimum as the model beside it, which its default tolerance of 1e-4 is not.
    "logistic-exact": lambda: LogisticRegression(C=1.0, max_iter=10000, tol=1e-6),
    "bayes": lambda: GaussianNB(),
    "svm": lambda: SVC(C=10.0),
    "forest": lambda: RandomForestClassifier(500, n_jobs=1, random_state=0),
    "knn": lambda: KNeighborsClassifier(5, weights="distance"),
}

folder, columns, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
x = np.fromfile(folder / "x", np.float32).reshape(-1, columns)
y = np.fromfile(folder / "y", np.uint32)
folds = np.fromfile(folder / "folds", np.uint32)
n_folds = 1 if folds.max() >= 9 else folds.max() + 1

seconds = 0.0
for fold in range(n_folds):
    tested = folds == fold
    scaler = StandardScaler().fit(x[~tested])
    train, test = scaler.transform(x[~tested]), scaler.transform(x[tested])
    before = time.process_time()
    model = MODELS[name]().fit(train, y[~tested])
    if hasattr(model, "predict_proba"):
        model.predict_proba(test)
    else:
        model.predict(test)
    seconds += time.process_time() - before
print(seconds)
