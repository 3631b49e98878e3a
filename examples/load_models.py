"""Loads a classical model that ser trained (support vector machine, logistic regression, linear discriminant analysis, random forest,
nearest neighbours, naive Bayes, majority) with NumPy alone, and prints its classes and probabilities for every row of a feature table, as CSV.

    ser export features demo -e svm -o features.csv
    python examples/load_models.py data/models/demo/svm/fold-00-seed-0 features.csv

docs/models.md has the layout of the files. Features that are scaled by speaker, those of encoders and models with test_time_augment are not covered.
"""
import csv, json, struct, sys
import numpy as np

def load(folder):
    """What model.json says, and the tensors of model.safetensors by name."""
    with open(f"{folder}/model.json", encoding="utf-8") as file:
        card = json.load(file)
    if card["kind"] not in MODELS:
        sys.exit(f"{folder} is a model of kind {card['kind']}, not one of {', '.join(MODELS)}")
    with open(f"{folder}/model.safetensors", "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    def tensor(entry):
        begin, end = entry["data_offsets"]
        return np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return card, {name: tensor(entry) for name, entry in header.items()}

def inputs(card, columns):
    """Rows as the model sees them, of columns by name."""
    if card["inputs"]["scaler"] == "per-speaker" or card["inputs"].get("frames"):
        sys.exit("scaling by speaker and sequences of frames are not covered by this example")
    if card.get("test_time_augment"):
        sys.exit("this model averages over changed copies of a recording (test_time_augment), which is not covered by this example: use ser predict")
    def column(name):
        if name in columns:
            return np.array(columns[name], np.float32)
        if name.startswith("log_") and name[4:] in columns:
            return np.log(np.maximum(np.array(columns[name[4:]], np.float32), np.float32(1e-10)))
        sys.exit(f"the table has no column {name}: export the features of this model's experiment")
    x = np.stack([column(name) for name in card["feature_names"]], axis=1)
    if card["scaler"]["kind"] == "standard":
        x = (x - np.float32(card["scaler"]["mean"])) / np.float32(card["scaler"]["sd"])
    limit = card["inputs"].get("clip")
    return x if limit is None else np.clip(x, -np.float32(limit), np.float32(limit))

def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

# Each function gives the probabilities of the classes that its model knows, a row for each row of x, and the places of these classes among the labels.

def logistic(x, t, n):
    return softmax(x @ t["weights"] + t["intercepts"]), t["classes"]

def lda(x, t, n):
    exponent = t["exponent"][0] if t["calibrated"][0] else 1.0
    return softmax(exponent * (x @ t["weights"] + t["intercepts"])), t["classes"]

def naive_bayes(x, t, n):
    prior = np.log(t["counts"] / t["counts"].sum())
    spread = np.log(2 * np.pi * t["variances"]).sum(axis=1)
    distance = np.stack([((x - m) ** 2 / v).sum(axis=1) for m, v in zip(t["means"], t["variances"])], axis=1)
    return softmax(prior - 0.5 * (spread + distance)), t["classes"]

def majority(x, t, n):
    return np.tile(t["frequencies"], (len(x), 1)), np.arange(n)

def nearest(x, t, n):
    p = np.zeros((len(x), n))
    for row, votes in zip(x, p):
        distance = np.sqrt(((t["rows"].astype(float) - row) ** 2).sum(axis=1))
        kept = np.argsort(distance, kind="stable")[: t["k"][0]]
        weight = np.ones(len(kept))
        if t["by_distance"][0]:
            twins = distance[kept] == 0
            weight = twins.astype(float) if twins.any() else 1 / distance[kept]
        np.add.at(votes, t["targets"][kept], weight / weight.sum())
    return p, np.arange(n)

def forest(x, t, n):
    p = np.zeros((len(x), n))
    for row, sums in zip(x.astype(np.float32), p):
        for at in t["roots"]:
            while t["feature"][at] < len(row):  # a leaf names one more than there are
                at = t["left"][at] if row[t["feature"][at]] <= t["threshold"][at] else t["right"][at]
            sums += t["shares"][t["left"][at]]
    return p / len(t["roots"]), np.arange(n)

def svm(x, t, n):
    k, vectors = len(t["classes"]), t["vectors"].astype(float)
    if "gamma" in t:
        squares = np.stack([((vectors - row) ** 2).sum(axis=1) for row in x])
        kernel = np.exp(-t["gamma"][0] * squares)
    else:
        kernel = x @ vectors.T
    margins = kernel @ t["dual"].T - t["rho"]
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    return np.stack([judge(row, pairs, k, t) for row in margins]), t["classes"]

def judge(margins, pairs, k, t):
    """Probabilities by the margins of all pairs of classes."""
    votes, sums = np.zeros(k), np.zeros(k)
    for (a, b), margin in zip(pairs, margins):
        votes[a if margin > 0 else b] += 1
        sums[a] += margin
        sums[b] -= margin
    scores = votes + sums / (3 * (np.abs(sums) + 1))
    if "sigmoids" not in t:  # not calibrated: these order the classes and are no probabilities
        return softmax(scores[None])[0]
    r = np.zeros((k, k))
    for (a, b), margin, (slope, offset) in zip(pairs, margins, t["sigmoids"]):
        p = np.clip(np.exp(-np.logaddexp(0, slope * margin + offset)), 1e-7, 1 - 1e-7)
        r[a, b], r[b, a] = p, 1 - p
    # The distribution that minimises the sum over pairs of (r_ba p_a - r_ab p_b)^2 (Wu, Lin, Weng 2004).
    q = -(r.T * r)
    np.fill_diagonal(q, (r**2).sum(axis=0))
    system = np.block([[q, np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
    p = np.linalg.solve(system, np.append(np.zeros(k), 1))[:k]
    p = np.maximum(p, 0) ** t["exponent"][0]
    return with_highest(p / p.sum(), int(np.argmax(scores)))

def with_highest(p, decided):
    """The class of the decision function gets the highest probability, at the least change."""
    above = sorted((c for c in range(len(p)) if p[c] > p[decided]), key=lambda c: -p[c])
    if not above:
        return p
    total, count = p[decided], 1
    for c in above:
        if p[c] > total / count:
            total, count = total + p[c], count + 1
    p = np.minimum(p, total / count)
    p[decided] = np.nextafter(np.float32(total / count), np.float32(1))
    return p

MODELS = {
    "svm": svm, "logistic": logistic, "lda": lda, "random-forest": forest, "knn": nearest, "naive-bayes": naive_bayes, "majority": majority,
}

def predict(card, tensors, x):
    """Probabilities of all labels, a row for each row of x; a class that was never trained on has 0."""
    n = len(card["labels"])
    known, classes = MODELS[card["kind"]](x.astype(float), tensors, n)
    p = np.zeros((len(x), n))
    p[:, classes] = known
    return p

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} MODEL_FOLDER FEATURES.csv (a fold-* folder, and what `ser export features` wrote)")
    card, tensors = load(sys.argv[1])
    with open(sys.argv[2], newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    p = predict(card, tensors, inputs(card, columns))
    out = csv.writer(sys.stdout)
    out.writerow(["utterance_id", "predicted", *(f"prob_{label}" for label in card["labels"])])
    for utterance, row in zip(columns["utterance_id"], p):
        out.writerow([utterance, card["labels"][int(np.argmax(row))], *row])
