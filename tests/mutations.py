"""Deliberate faults: of each file, texts that are in it once, and what they become.

``mutants.py`` tries them.
"""

MUTATIONS = {
    "metrics.py": [
        ("SAFE_OFFSET * spread", "1e30 * spread"),
        ("return scores / self.scale_**2", "return scores / self.scale_"),
        ("np.sqrt(scores / 2) / self.scale_", "np.sqrt(scores) / self.scale_"),
        ("return super().restore(rows) ** 2", "return super().restore(rows)"),
        (
            "distances = np.minimum(scores / 2, 2.0)",
            "distances = np.minimum(scores, 2.0)",
        ),
        ("distances[zero[rows]] = 1.0", "distances[zero] = 1.0"),
        (
            "noise = _lengths(centered) <= NOISE",
            "noise = _lengths(centered) < 0 * NOISE",
        ),
        ("scores / self.scale_ * powers[rows]", "scores / self.scale_ * powers[0]"),
        ("(least := X.min()) < 0:", "(least := X.min()) < -1:"),
        ("rows[lo : lo + BLOCK, :d]", "rows[:BLOCK, :d]"),
        (
            "if self.any_zero_\n            else (rows",
            "if False\n            else (rows",
        ),
    ],
    "construction/prune.py": [
        ("if kept == width:", "if kept > width:"),
        ("< scores[j]:", "<= scores[j]:"),
        ("ids[j], row[other]", "ids[j], row[0]"),
        ("row[kept:] = -1", "row[kept + 1 :] = -1"),
        (" and ids[i, j] != nodes[i]:", ":"),
        ("for j in range(places(n)):", "for j in range(n):"),
    ],
    "construction/link.py": [
        ("if targets[j] not in ids[:n]:", "if True:"),
        ("if n <= breadth:", "if n < breadth:"),
        (
            "rows[i, j] = neighbors[node, j] if j < n else -1",
            "rows[i, j] = neighbors[node, j]",
        ),
        ("if n <= width:", "if n <= width + 1:"),
        ("neighbor not in merged[node, :filled]", "True"),
        ("missing -= _spread", "missing -= 0 * _spread"),
        ("if seen[neighbor] != node:", "if seen[neighbor] < 0:"),
        ("if parent[neighbor] != node:", "if parent[neighbor] == node:"),
        ("starts[:-1].copy()", "starts[:-1]"),
    ],
    "construction/copies.py": [
        ("np.where(same, firsts[owners], np.arange(len(X)))", "firsts[owners]"),
        (
            "same = owners[by_place[1:]] == owners[by_place[:-1]]",
            "same = np.ones(len(owners) - 1, bool)",
        ),
        ('np.argsort(owners, kind="stable")', "np.argsort(-owners)"),
        ("some = slice(lo, lo + BLOCK)", "some = slice(0, BLOCK)"),
    ],
    "search/shortlist.py": [
        ("if key > bound:", "if key >= bound:"),
        ("np.uint64(edge) << THIRTY_TWO) - ONE", "np.uint64(edge) << THIRTY_TWO)"),
        ("(top + 1) <<", "top <<"),
        ("lo, hi, at = 0, n - 1, room - 1", "lo, hi, at = 0, n - 1, room - 2"),
        ("left += key <= bound", "left += key < bound"),
        ("keep[keep.all(axis=1), -1] = False", "pass"),
        ("ids[keys == NO_KEY] = -1", "pass"),
        ("bounds[q] = keys[q, room - 1]\n    count", "count"),
    ],
    "search/rerank.py": [
        (
            "score == scores[q, at - 1] and i < ids",
            "score == scores[q, at - 1] and i > ids",
        ),
        ("and score == score)", "and False)"),
        ("if at == k:", "if at >= k - 1:"),
        ("last = min(filled, k - 1)", "last = filled"),
        ("return last + 1", "return last"),
        ("if i >= 0:", "if i > 0:"),
        ("if filled == k and estimates", "if estimates"),
        ("estimates[q, j] > overestimate * last", "estimates[q, j] > last"),
        ("best_scores[row, filled:k], best_ids[row, filled:k] = np.inf, -1", "pass"),
    ],
    "search/beam.py": [
        (
            "return reach * score if score > 0 else",
            "return reach * score if score >= 0 else",
        ),
        ("return ((room + 7) & -8) + 8", "return ((room + 7) & -8)"),
        ("if at[lane] < size[lane] and", "if at[lane] + 1 < size[lane] and"),
        ("min(filled, room - 1), key)", "min(filled, room), key)"),
        (
            "least = min(least, put(pool, base, filled, ef, key))",
            "put(pool, base, filled, ef, key)",
        ),
        ("pool[lane * stride : (lane + 1) * stride] = NO_KEY", "pass"),
        ("met[lane * words : (lane + 1) * words] = 0", "pass"),
        ("met[word] |= bit", "pass"),
        ("if n - start < COMPARED:", "if False:"),
        ("worst if worst <= far else far", "far"),
        ("if j < filled and pool[base + j] < INFINITE:", "if j < filled:"),
        (
            "set_query(points, scratch, lane, queries, rows[q])",
            "set_query(points, scratch, lane, queries, q)",
        ),
    ],
    "points/rows.py": [
        (
            "return points._replace(X=frozen(aligned(points.X[ids])))",
            "return points._replace(X=frozen(aligned(points.X[: len(ids)])))",
        ),
        ("return gap  # a NaN must not be passed over", "pass"),
        ("np.argsort(-lengths[order]", "np.argsort(lengths[order]"),
        ("total -= np.float64", "total += np.float64"),
    ],
    "points/half.py": [
        ("2.0 ** np.ceil", "2.0 ** np.floor"),
        ("return -size if bits & 0x8000 else size", "return size"),
        ("x = np.float64(scale * half_float", "x = np.float64(half_float"),
    ],
    "points/bits.py": [
        (
            "queries[:, : len(points.center)] > points.center",
            "queries[:, : len(points.center)] >= points.center",
        ),
    ],
    "points/scalar.py": [
        ("255 + reach)", "255)"),
        ("np.int16(np.rint(level))", "np.int16(level)"),
        ("(4 * (j & 1)) & 15) << 4", "(4 * (j & 1)) & 15) << 3"),
        ("low + 16 * step * np.arange", "low + 15 * step * np.arange"),
    ],
    "points/rotation.py": [
        ("first = 0 if r % 2 == 0 else D - t", "first = 0"),
        ("a + b, a - b", "a + b, b - a"),
        ("part = slice(lo, lo + PART)", "part = slice(0, PART)"),
    ],
    "points/product.py": [
        ("half = (codes.shape[1] + 1) // 2", "half = codes.shape[1] // 2"),
        (
            "return np.hstack([packed & 15, packed >> 4])[:, :m]",
            "return np.hstack([packed >> 4, packed & 15])[:, :m]",
        ),
        ("np.full(n, 2.0 * dot, np.float32)", "np.full(n, 1.0 * dot, np.float32)"),
    ],
    "quantizers/_scalar.py": [
        ("step[step == 0] = 1", "pass"),
        ("2**self.n_bits - 1)\n        step[", "2**self.n_bits)\n        step["),
        ("self.low_ + self.step_ * levels", "self.step_ * levels"),
        ("better = error < least", "better = error > least"),
    ],
    "quantizers/_rabitq.py": [
        ("np.maximum(bounds, 0, out=bounds)", "bounds"),
        ("bounds -= err * np.sqrt(squares)", "bounds += err * np.sqrt(squares)"),
        ("multiply(rows, back) + self.center_", "multiply(rows, back)"),
        ("check_random_state(self.random_state))", "np.random.mtrand._rand)"),
    ],
    "quantizers/_ternary.py": [
        ("np.arange(sizes.shape[1]) <= last", "np.arange(sizes.shape[1]) < last"),
        ("1 + np.where(kept, np.sign(rows), 0)", "1 + np.sign(rows)"),
    ],
    "quantizers/_binary.py": [
        ("above = (X > self.center_)", "above = (X < self.center_)"),
        ("(squares if squares > 0 else 1)", "squares"),
    ],
    "quantizers/_base.py": [
        ("if codes.shape[1] != self.n_bytes_:", "if codes.shape[1] < self.n_bytes_:"),
    ],
}
