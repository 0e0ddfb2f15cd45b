"""Deliberate faults: of each file, texts that are in it once, and what they become.

``mutants.py`` tries them.
"""

MUTATIONS = {
    "_simd/numbers.py": [
        ("return -size if bits & 0x8000 else size", "return size"),
        ("rows = rows.view(np.float16)", "pass"),
    ],
    "metrics.py": [
        ("return HALF_TOP - math.frexp(size)[1]", "return -math.frexp(size)[1]"),
        ('"input": -self.exponent_', '"input": 0'),
        ('if form != "input":', "if True:"),
        ("SAFE_OFFSET * spread", "1e30 * spread"),
        ("return super().restore(rows) ** 2", "return super().restore(rows)"),
        (
            "distances = np.minimum(scores / 2, 2.0)",
            "distances = np.minimum(scores, 2.0)",
        ),
        ("distances[zero[rows]] = 1.0", "distances[zero] = 1.0"),
        ("(least := X.min()) < 0:", "(least := X.min()) < -1:"),
        (
            "if self.any_zero_\n            else (rows",
            "if False\n            else (rows",
        ),
        (
            "self._unscaled(scores, rows, powers, degree=2)",
            "self._unscaled(scores, rows, powers)",
        ),
        ("np.sqrt(scores / 2), rows, powers", "np.sqrt(scores), rows, powers"),
        ("<= NOISE * lengths", "< 0 * lengths"),
        ("powers[rows, None] + exponents", "powers[:1, None] + exponents"),
        ("rows[part, first:at] = some", "rows[: len(some), first:at] = some"),
        ("return all_below(4.0**room, X)", "return all_below(16.0**room, X)"),
        ("return np.maximum(exponents - room, 0)", "return exponents - room"),
        ("-int(exponents[some].max())", "-int(exponents[some].min())"),
    ],
    "construction/prune.py": [
        ("if kept == width:", "if kept > width:"),
        ("< scores[j]:", "<= scores[j]:"),
        ("ids[j], row[other]", "ids[j], row[0]"),
        ("row[kept:] = -1", "row[kept + 1 :] = -1"),
        (" and ids[i, j] != nodes[i]:", ":"),
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
        ("X[firsts[owners[some]]]", "X[firsts[owners[: len(X[some])]]]"),
    ],
    "search/shortlist.py": [
        ("(top + 1) <<", "top <<"),
        ("lo, hi, at = 0, n - 1, room - 1", "lo, hi, at = 0, n - 1, room - 2"),
        ("left += key <= bound", "left += key < bound"),
        ("keep[keep.all(axis=1), -1] = False", "pass"),
        ("bounds[q] = min(bounds[q], keys[q, room - 1])\n    count", "count"),
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
        ("if len(allowed) == 0 or allowed[i]:", "if True:"),
        ("i = following[i]", "i = -1"),
    ],
    "search/beam.py": [
        ("return ((room + 7) & -8) + 8", "return ((room + 7) & -8)"),
        ("pool[lane * stride : (lane + 1) * stride] = NO_KEY", "pass"),
        ("if n - start < COMPARED:", "if False:"),
        ("if j < filled and pool[base + j] < INFINITE:", "if j < filled:"),
        ("if score > 0 or (score == 0 and zero_ends):", "if score >= 0:"),
        ("zero_is_sure(points) and gamma < np.inf", "gamma < np.inf"),
        ("if cursor[lane] < size[lane] and", "if cursor[lane] + 1 < size[lane] and"),
        (
            "cursor = min(cursor, put(pool, base, filled, beam.ef, key))",
            "put(pool, base, filled, beam.ef, key)",
        ),
        ("visited[base : base + words] = 0", "pass"),
        ("visited[base + (noted[base + j] >> 6)] = 0", "pass"),
        ("n_noted[lane] = 0", "pass"),
        ("visited[word] |= bit", "pass"),
        (
            "set_query(points, scratch, lane, queries, row)",
            "set_query(points, scratch, 0, queries, row)",
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
        ("return total * np.float64(points.scale[0])", "return total"),
        ("points.scale[0] ** 2 * dot", "points.scale[0] * dot"),
        ("rows if scale[0] == 1 else rows * scale", "rows"),
        ("scratch[v, j] = queries[q, j] * scale", "scratch[v, j] = queries[q, j]"),
        ("ids[lo : lo + step]", "ids[:step]"),
        ("np.array([points[0].dtype in TYPES]), True", "np.array([True]), True"),
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
        ("part = slice(lo, lo + PART)", "part = slice(0, PART)"),
    ],
    "points/product.py": [
        ("half = (codes.shape[1] + 1) // 2", "half = codes.shape[1] // 2"),
        (
            "return np.hstack([packed & 15, packed >> 4])[:, :m]",
            "return np.hstack([packed >> 4, packed & 15])[:, :m]",
        ),
        ("np.full(n, 2.0 * is_ip, np.float32)", "np.full(n, 1.0 * is_ip, np.float32)"),
    ],
    "quantizers/_scalar.py": [
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
    "search/scan.py": [
        ("limits = last - error", "limits = last"),
        (
            "limits[~np.isfinite(limits)] = -np.inf",
            "limits[~np.isfinite(limits)] = np.inf",
        ),
        ("use(np.arange(first + lo, first + hi)", "use(np.arange(lo, hi)"),
        ("ids = self.some[start : start + ROW_BLOCK]", "ids = self.some[:ROW_BLOCK]"),
        ("some[order]\n", "order\n"),
        ("if len(some) >= k:", "if True:"),
        ("not near >= scores[q, k - 1]", "near < 0 * scores[q, k - 1]"),
        ("(limits - 2) / 2 if self.is_ip", "limits if self.is_ip"),
        ("self.longest = max(self.longest, x2.max())", "self.longest = x2.min()"),
    ],
    "search/answer.py": [
        ("keep = others(ids, np.arange(len(ids)))", "keep = others(ids, ids[:, 0])"),
        ("left |= ~(scores[:, -1] <= limits)", "pass"),
        ("left = ids[:, -1] < 0", "left = ids[:, -1] < -1"),
        (
            "candidates = np.where(allowed[candidates], candidates, np.int32(-1))",
            "pass",
        ),
        ("places[copies.firsts[allowed]] = True", "places[allowed] = True"),
    ],
    "search/index.py": [
        ("min(max(k, most), n), 1.0 if", "min(k, n), 1.0 if"),
        (
            "int(max(k, min(wanted, most)))",
            "int(min(wanted, most))",
        ),
        ("array.max() <= most", "array.max() <= most + 1"),
    ],
    "search/trial.py": [
        ("trial.ids[:, first:, None]", "trial.ids[:, :, None]"),
        ("(scores <= limits)[:, 1:]", "(scores < limits)[:, 1:]"),
        ("(ids[:, None] < own)", "(ids[:, None] > own)"),
    ],
    "search/layers.py": [
        ("if search.effort >= n:", "if search.effort > 2 * n:"),
        ("min(search.room, beam.ef)", "beam.ef - 1"),
        ("entries = with_entry(route, own[:, None])", "entries = own[:, None]"),
        ("rank = max(k, min(LEAST_RANK, ef))", "rank = k"),
        ("subset(points, layers.members)", "subset(points, layers.members[::-1])"),
        ("more[q, kept] = entry_of(layers)", "more[q, kept] = entries[q, 0]"),
        ("comes_before(ranks[q], ranks[order[at - 1]])", "at < 0"),
    ],
    "search/lists.py": [
        (
            "Probe(search.effort, adaptive, room * copies",
            "Probe(search.effort, adaptive, room",
        ),
        (
            'cells = np.searchsorted(lists.starts, slots, side="right") - 1',
            'cells = np.searchsorted(lists.starts, slots, side="left") - 1',
        ),
        ("met[ids[q, j] >> 6] = 0", "pass"),
        ("np.sqrt(bases[t]) - radii[t]", "np.sqrt(bases[t])"),
        (
            "offsets=turns.offsets - 2 * units, units=units",
            "offsets=turns.offsets - units, units=units",
        ),
        ("score += adds[first + j]", "score += adds[j]"),
        (
            "if turns.lows[t] > score_of(bounds[q]):",
            "if turns.lows[t] < score_of(bounds[q]):",
        ),
    ],
    "search/reduced.py": [
        ("room = min(search.room, count(index.points))", "room = search.room"),
        ("if b == hi - 1 else EVERY", "if b == hi else EVERY"),
        (
            "terms[0, t] = base + terms[1, t] * np.float32(MIDDLE * total)",
            "terms[0, t] = base",
        ),
        ("most = keys.shape[1] - ROWS", "most = keys.shape[1]"),
        ("if count < rank:", "if count <= rank:"),
        ("reduced -= basis.start", "pass"),
        ("turns.bases[first + t] if is_ip else base", "base"),
    ],
    "construction/knn.py": [
        ("if found >= target:", "if found >= target - 1:"),
        ("elif room < n:", "elif False:"),
        ("n_probes < n_lists, n_threads", "False, n_threads"),
        ("frozen(rows_of(points, some)), k + 1", "frozen(rows_of(points, some)), 1"),
        ("part = nodes[first : first + len(asked)]", "part = nodes[: len(asked)]"),
    ],
    "construction/lists.py": [
        ("frozen(queries[part])", "queries"),
        ("N_PROBES = 24", "N_PROBES = 2"),
        ("Search(k, min(k, n), N_PROBES", "Search(k, min(k // 2, n), N_PROBES"),
    ],
    "neighbors/_knn_graph.py": [
        ("times = max(1.0, k / (measured.k + 1))", "times = 1.0"),
        ("self.n_probes_ = self._measured.effort", "pass"),
        ("if self.recall_ < self.recall:", "if False:"),
    ],
    "construction/reduced.py": [
        (
            "max(FEWEST_RERANK, candidates_needed(ranks) / near.shape[1])",
            "FEWEST_RERANK",
        ),
        ("places.argmax(axis=2) + 1 - own", "places.argmax(axis=2) + 1 + 5 * own"),
        ("add += gap * (2 * level * scale - gap)", "add += gap * gap"),
        ("+= _rest(Z, mean, n_threads)[ids[some]]", "+= 0"),
        (">= wish.held * np.trace(spread)", ">= 0 * np.trace(spread)"),
        ("enough if wish.n_train is None else wish.n_train", "enough"),
        ("U if len(sizes) == len(wish.sizes) else np.eye", "U if True else np.eye"),
        ("    if is_ip:\n", "    if False:\n"),
    ],
    "_simd/products.py": [
        (
            "bits = (1 << int(i) for i in np.flatnonzero(~(scores[j] > bound)))",
            "bits = (1 << int(i) for i in np.flatnonzero(scores[j] < bound))",
        ),
        (
            "return np.uint32(sum(1 << j for j in range(n) if good[j]))",
            "return np.uint32(1)",
        ),
    ],
    "search/probing.py": [
        ("own[at] = bases[q, rank]", "own[at] = bases[q, 0]"),
        ("len(growth) > search.effort", "False"),
    ],
    "construction/codes.py": [
        ("(x[:, : NEAR + 1] for x in", "(x[:, :2] for x in"),
        (
            "ranks(estimates[:, own:], ids[:, own:], NEAR)",
            "ranks(estimates, ids, NEAR)",
        ),
        ("ranks[:, :1]", "ranks"),
        ("KNOWN + own", "KNOWN"),
        ("rows[:, d:] = 0", "pass"),
        ("metric.width_ < WIDE or quantizer", "metric.width_ <= WIDE or quantizer"),
        ("overestimate=finer.overestimate", "overestimate=np.inf"),
    ],
    "construction/choose.py": [
        ("scores += course.detour * _places_behind(ranks)", "pass"),
        ("candidates = max(NEAR, candidates_needed(ranks))", "candidates = NEAR"),
        ("candidates > KNOWN / 2", "candidates > KNOWN"),
        ("candidates, lost = 0, _held(case) < RECALL", "candidates, lost = 0, False"),
        ("np.inf if lost else float(ns)", "float(ns)"),
        ("<= (1 - SAVED) * work_ns[0]", "<= work_ns[0]"),
        ("firsts[known] if len(firsts) else known", "known"),
        ("if np.mean(found) >= RECALL:", "if True:"),
        ("coded if must else [Case", "[Case"),
        ("int(np.argmax(held))", "int(np.argmin(held))"),
        ("VISIT_NS + _score_ns(points)", "_score_ns(points)"),
        ("return TABLE_NS * 2 * nibbles", "return SCAN_NS * 2 * nibbles"),
    ],
    "neighbors/_base.py": [
        ("twin = self._twin()\n        twin._fit", "twin = self\n        twin._fit"),
        ("twin, own = self._fitted(), X is None", "twin, own = self, X is None"),
        ("if k > twin.n_samples_fit_ - own:", "if k > twin.n_samples_fit_:"),
        ("keep = row != q", "keep = row >= 0"),
        ('side="right"', 'side="left"'),
        ("k = min(4 * k, n_points)", "k = k + 0"),
        ("gaps = finish(scores, rows)", "gaps = finish(scores)"),
        (
            'return int(self.n_neighbors) - (self.mode == "connectivity")',
            "return int(self.n_neighbors)",
        ),
        ("check(index, self.n_samples_fit_)\n", "pass\n"),
    ],
    "quantizers/_pca.py": [
        ("squares(near) - 2 * rows.sum(axis=1)", "squares(near)"),
        ("middles=[-self.low_ / self.step_]", "middles=[0.0]"),
        ("LINE * lines - FLOAT", "LINE * lines"),
        ("-1 if half else self._n_planes_bytes", "-1"),
    ],
    "points/panels.py": [
        ("for q in range(whole, n):", "for q in range(whole, n - 1):"),
    ],
    "neighbors/_inputs.py": [
        ('and "feature_names_in_" not in vars(estimator)', ""),
        ("_MODEST = 1e18", "_MODEST = np.inf"),
        ("elif not _is_finite(X):", "elif False:"),
        ("and X.flags.c_contiguous", ""),
        ("own in _SMALL_TYPES and own not in kept", "own in _SMALL_TYPES"),
    ],
    "neighbors/_graph.py": [
        (
            "ef = min(max(ef, k), self.n_samples_fit_)",
            "ef = min(ef, self.n_samples_fit_)",
        ),
        ("graph = with_landmarks(graph, codes)", "pass"),
        (
            "rng = check_random_state(self.random_state)",
            "rng = check_random_state(None)",
        ),
    ],
    "neighbors/_partition.py": [
        ("min(self.n_samples_fit_, self._count_lists())", "self._count_lists()"),
        ("own = None if quantizer is None else clone(quantizer)", "own = quantizer"),
        (" or self.n_probes < 1:", ":"),
        ("self.n_lists_ * np.square(share)", "np.square(share)"),
    ],
    "neighbors/_codes.py": [
        (
            "index.n_samples_fit_ <= getattr(index",
            "index.n_samples_fit_ < getattr(index",
        ),
        ('in (None, "int8") and not', "in (None,) and not"),
        (
            "seeded(clone(quantizer), index.random_state)",
            "seeded(quantizer, index.random_state)",
        ),
        (
            "and quantizer.random_state is None",
            "",
        ),
        ("must = store_of(index) is None", "must = False"),
    ],
    "_threads.py": [
        ("min(lo + chunk, n))\n        return", "lo + chunk)\n        return"),
        (
            "n_threads = min(n_threads, -(-n // chunk))",
            "n_threads = min(n_threads, n // chunk)",
        ),
    ],
}
