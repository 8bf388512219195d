"""Random PromQL that the type check takes: trees whose every part can be asked by itself.

A Maker follows from its seed; `vector(depth)` gives a tree. Labels that a part may have are followed
loosely, so that most joins find partners; some are left to chance, which gives errors.
"""

import random

import random_data as data

# name -> number of scalars that follow the vector
MATH = {
    "abs": 0, "ceil": 0, "floor": 0, "sgn": 0, "sqrt": 0, "round": 1, "clamp": 2, "clamp_min": 1,
    "clamp_max": 1, "deg": 0, "rad": 0,
}
TRANSCENDENT = ("exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                "tanh", "asinh", "acosh", "atanh")
CALENDAR = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
RANGE = ("rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv", "avg_over_time",
         "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time",
         "stdvar_over_time", "last_over_time", "present_over_time")
RANGE_3 = ("first_over_time", "mad_over_time", "ts_of_min_over_time", "ts_of_max_over_time",
           "ts_of_last_over_time", "ts_of_first_over_time")
AGGREGATES = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISON = ("==", "!=", "<", "<=", ">", ">=")
SETS = ("and", "or", "unless")
LABELS = ("job", "instance", "code", "version", "le")


class Node:
    """op names what it is; template has {0}, {1}... for the children."""

    def __init__(self, op, type_, template, children=(), labels=frozenset(), of=()):
        self.op = op
        self.type = type_
        self.template = template
        self.children = list(children)
        self.labels = frozenset(labels)
        self.of = frozenset(of)  # metric names below
        for child in self.children:
            self.of |= child.of

    def text(self):
        return self.template.format(*[child.text() for child in self.children])

    def ops(self):
        found = {self.op}
        for child in self.children:
            found |= child.ops()
        return found


def escape(text):
    return text.replace("{", "{{").replace("}", "}}")


class Maker:
    def __init__(self, seed, modern):
        self.rand = random.Random(seed)
        self.modern = modern  # 3.x: experimental functions, fill, durations, UTF-8 names
        self.at_allowed = True

    def pick(self, *choices):
        return self.rand.choice(choices)

    def chance(self, probability):
        return self.rand.random() < probability

    # selectors

    def matchers(self, extra=()):
        out = list(extra)
        for label in ("job", "instance"):
            if self.chance(0.15):
                out.append(label + self.pick(
                    '="%s"' % self.pick("x", "a"), '!="%s"' % self.pick("y", "b"), '=~"%s"' % self.pick("x|y", "a|b", ".*", ".+", "[ab]"),
                    '!~"%s"' % self.pick("y", "b|c", "", "c.*"), '=~"x|a|b"',
                ))
        if self.chance(0.03):
            out.append(self.pick('code=""', 'code!=""', 'none=""', 'code=~"5..|"', 'none=~".+"'))
        return out

    def shift(self):
        parts = []
        if self.chance(0.15):
            parts.append("offset " + self.pick("1m", "5m", "-1m", "37s", "-150s", "20m", "1h"))
        if self.chance(0.08):
            at = self.rand.randrange(data.START_S, data.end_s())
            parts.append("@ " + self.pick(str(at), str(at), "start()", "end()"))
        self.rand.shuffle(parts)
        return "".join(" " + part for part in parts)

    def metric(self):
        if self.modern and self.chance(0.1):
            return self.rand.choice(data.NATIVE), {"job", "instance"}
        kind = self.rand.random()
        if kind < 0.3:
            return self.rand.choice(data.COUNTERS), {"job", "instance"}
        if kind < 0.9:
            return self.rand.choice(data.GAUGES), {"job", "instance"}
        if kind < 0.95:
            return "lab_info", {"job", "instance", "version"}
        return self.rand.choice(data.HISTOGRAMS) + self.pick("_bucket", "_count", "_sum"), {"job", "instance"}

    def selector_text(self, name=None):
        rand = self.rand
        given, labels = self.metric()
        name = name or given
        if name == "d_total" and given == "d_total":
            labels = labels | {"code"}
        if self.modern and name == given and self.chance(0.03):
            return '{"dotted.name"}', {"job", "instance"}, {"dotted.name"}
        of = {name}
        if name == given and self.chance(0.05):
            pattern = self.pick("g|small", "c_.*|d_.*", "(g|h)", "[cd]_total", "lat_.+", "small|flags", "g.*")
            body = ",".join(self.matchers([f'__name__=~"{pattern}"']))
            return "{" + body + "}", labels, {pattern}
        if name.endswith("_bucket"):
            labels = labels | {"le"}
        extra = []
        if name.endswith("_bucket") and self.chance(0.3):
            extra = [self.pick('le="1.0"', 'le="+Inf"', 'le=~"0.*"')] if not self.modern else [self.pick('le="+Inf"', 'le=~"0.*"')]
        matchers = self.matchers(extra)
        if rand.random() < 0.05:
            return "{" + ",".join([f'__name__="{name}"'] + matchers) + "}", labels, of
        return name + ("{" + ",".join(matchers) + "}" if matchers else ""), labels, of

    def selector(self, name=None):
        text, labels, of = self.selector_text(name)
        return Node("selector", "vector", escape(text + self.shift()), (), labels, of)

    def range_text(self):
        return self.pick("1m", "2m", "5m", "37s", "90s", "10m", "20m", "1h", "15s", "5m")

    def matrix(self, depth, name=None):
        if depth <= 1 or self.chance(0.65):
            text, labels, of = self.selector_text(name)
            extension = self.pick(" anchored", " smoothed") if self.modern and self.chance(0.04) else ""
            range_ = self.range_text()
            if self.modern and self.chance(0.05):
                range_ = self.pick("1m*2", "step()+30s", "5m-20s", "max_of(step(), 1m)", "(2m)", "range()/10+1s")
            return Node("matrix", "matrix", escape(f"{text}[{range_}]{extension}{self.shift()}"), (), labels, of)
        inner = self.vector(depth - 1)
        # half a second keeps the window's start off the steps where 2.42 would close it
        range_ = self.pick("1m", "3m", "5m", "10m") + ("" if self.modern else "500ms")
        step = self.pick("15s", "30s", "1m", "", "17s")
        return Node("subquery", "matrix", f"({{0}})[{range_}:{step}]{self.shift()}", [inner], inner.labels)

    # scalars

    def number(self):
        return self.pick("0", "1", "2", "0.5", "-1", "3", "10", "100", "1.5", "-0.25", "Inf", "NaN", "1e300", "1e-300", "7", "60")

    def scalar(self, depth):
        if depth <= 1 or self.chance(0.7):
            if self.chance(0.08):
                if self.modern and self.chance(0.5):
                    name = self.pick("start", "end", "range", "step")
                    return Node(name, "scalar", name + "()")
                return Node("time", "scalar", "time()")
            if self.chance(0.03):
                return Node("pi", "scalar", "pi()")
            return Node("number", "scalar", self.number())
        if self.modern and self.chance(0.1):
            name = self.pick("min_of", "max_of")
            return Node(name, "scalar", name + "({0}, {1})", [self.scalar(depth - 1), self.scalar(depth - 1)])
        if self.chance(0.5):
            return Node("scalar", "scalar", "scalar({0})", [self.vector(depth - 1)])
        if self.chance(0.2):
            return Node("unary", "scalar", "-({0})", [self.scalar(depth - 1)])
        if self.chance(0.3):
            op = self.rand.choice(COMPARISON)
            return Node(op, "scalar", f"({{0}}) {op} bool ({{1}})", [self.scalar(depth - 1), self.scalar(depth - 1)])
        op = self.rand.choice(ARITHMETIC)
        return Node(op, "scalar", f"({{0}}) {op} ({{1}})", [self.scalar(depth - 1), self.scalar(depth - 1)])

    # vectors

    def vector(self, depth):
        if depth <= 0:
            return self.selector()
        makers = (
            (self.selector, 6), (self.of_range, 22), (self.aggregate, 20), (self.joined, 22),
            (self.with_scalar, 10), (self.of_math, 8), (self.of_labels, 5), (self.of_histogram, 5),
            (self.other, 6),
        )
        total = sum(weight for _, weight in makers)
        dice = self.rand.randrange(total)
        for make, weight in makers:
            dice -= weight
            if dice < 0:
                return make() if make == self.selector else make(depth)
        raise AssertionError

    def of_range(self, depth):
        name = self.rand.choice(RANGE + (RANGE_3 if self.modern else ()))
        if self.chance(0.06):
            inner = self.matrix(depth)
            scalar = self.scalar(1)
            return Node("quantile_over_time", "vector", "quantile_over_time({0}, {1})",
                        [self.quantile(depth), inner], inner.labels)
        if self.chance(0.05):
            inner = self.matrix(depth)
            scalar = self.scalar(depth - 1)
            return Node("predict_linear", "vector", "predict_linear({0}, {1})", [inner, scalar], inner.labels)
        if self.modern and self.chance(0.03):
            inner = self.matrix(depth)
            factors = self.pick("0.5, 0.5", "0.1, 0.9", "0.3, 0.3", "1.5, 0.5")
            return Node("double_exponential_smoothing", "vector",
                        f"double_exponential_smoothing({{0}}, {factors})", [inner], inner.labels)
        if self.chance(0.03):
            return Node("absent_over_time", "vector", "absent_over_time({0})", [self.matrix(depth)])
        counter = name in ("rate", "increase", "irate", "resets") and self.chance(0.85)
        inner = self.matrix(depth, self.rand.choice(data.COUNTERS) if counter and self.chance(0.9) else None)
        return Node(name, "vector", name + "({0})", [inner], inner.labels)

    def quantile(self, depth):
        if self.chance(0.15):
            return self.scalar(depth - 1)
        return Node("number", "scalar", self.pick("0", "0.1", "0.5", "0.9", "0.99", "1", "-1", "2", "0.25", "NaN"))

    def grouping(self, labels):
        """A clause and the labels that remain, None = unknown."""
        if self.chance(0.15):
            return "", frozenset()
        known = sorted(labels) or ["job", "instance"]
        chosen = [label for label in known if self.chance(0.5)]
        if self.chance(0.05):
            chosen.append(self.pick(*LABELS, "none", "__name__"))
        if self.chance(0.7):
            return f" by ({', '.join(chosen)}) ", frozenset(chosen)
        return f" without ({', '.join(chosen)}) ", frozenset(labels) - frozenset(chosen)

    def aggregate(self, depth):
        inner = self.vector(depth - 1)
        clause, labels = self.grouping(inner.labels)
        dice = self.rand.random()
        if dice < 0.12:
            name = self.pick("topk", "bottomk", "topk", "limitk" if self.modern else "bottomk")
            k = self.scalar(depth - 1) if self.chance(0.1) else Node("number", "scalar", self.pick("1", "2", "3", "5", "0", "-1", "2.7"))
            return Node(name, "vector", f"{name}{clause}({{0}}, {{1}})", [k, inner], inner.labels)
        if dice < 0.2:
            return Node("quantile", "vector", f"quantile{clause}({{0}}, {{1}})", [self.quantile(depth), inner], labels)
        if dice < 0.26:
            label = self.pick("value", "job", "v", "le")
            return Node("count_values", "vector", f'count_values{clause}("{label}", {{0}})', [inner], labels | {label})
        if self.modern and dice < 0.28:
            ratio = self.pick("0.5", "-0.5", "0.1", "-0.9", "1", "0", "2", "-3")
            return Node("limit_ratio", "vector", f"limit_ratio{clause}({ratio}, {{0}})", [inner], inner.labels)
        name = self.rand.choice(AGGREGATES + ("sum", "sum", "avg"))
        if self.chance(0.3):
            return Node(name, "vector", f"{name}({{0}}){clause}", [inner], labels)
        return Node(name, "vector", f"{name}{clause}({{0}})", [inner], labels)

    def joined(self, depth):
        left = self.vector(depth - 1)
        # the same shape again finds partners
        right = self.vector(self.pick(depth - 1, depth - 2)) if self.chance(0.75) else left
        group = self.rand.random()
        op = self.rand.choice(ARITHMETIC if group < 0.45 else COMPARISON if group < 0.75 else SETS)
        modifier = ""
        labels = left.labels
        both = sorted(left.labels & right.labels)
        if self.chance(0.1):  # whatever
            chosen = [label for label in LABELS if self.chance(0.4)]
            modifier = self.pick(" on", " ignoring") + f" ({', '.join(chosen)})"
        elif left.labels != right.labels:
            modifier = f" on ({', '.join(both)})"
            if op not in SETS:
                if left.labels > right.labels:
                    modifier += " group_left " + self.included(right.labels - left.labels, both)
                elif right.labels > left.labels:
                    modifier += " group_right " + self.included(left.labels - right.labels, both)
                    labels = right.labels
                else:
                    labels = both
                    modifier += self.pick(" group_left ()", " group_right ()", "") if self.chance(0.3) else ""
        elif self.chance(0.3):
            modifier = f" on ({', '.join(both)})" if self.chance(0.5) else " ignoring (none)"
            if op not in SETS and self.chance(0.3):
                modifier += self.pick(" group_left ()", " group_right ()")
        if op == "atan2":
            left, right = self.nameless(left), self.nameless(right)
        if op in SETS:
            modifier = modifier.split(" group_")[0]
        elif self.modern and self.chance(0.05):
            modifier += self.pick(" fill (0)", " fill_left (1)", " fill_right (-2)", " fill_left (0) fill_right (1)", " fill (NaN)")
        elif op in COMPARISON and self.chance(0.4):
            op += " bool"
        name = op.split()[0]
        return Node(name, "vector", f"({{0}}) {op}{modifier} ({{1}})", [left, right], labels)

    def nameless(self, node):
        """2.42 keeps the name of atan2's left side."""
        return node if self.modern else Node("+", "vector", "({0}) + (0)", [node], node.labels)

    def included(self, labels, both):
        names = [label for label in ("version", "code", *sorted(labels)) if label not in both and self.chance(0.2)]
        return f"({', '.join(dict.fromkeys(names))})"

    def with_scalar(self, depth):
        vector, scalar = self.vector(depth - 1), self.scalar(depth - 1)
        group = self.rand.random()
        op = self.rand.choice(ARITHMETIC if group < 0.6 else COMPARISON)
        if op == "atan2":
            vector = self.nameless(vector)
        shown = op + (" bool" if op in COMPARISON and self.chance(0.4) else "")
        pair = [vector, scalar] if self.chance(0.6) else [scalar, vector]
        return Node(op, "vector", f"({{0}}) {shown} ({{1}})", pair, vector.labels)

    def of_math(self, depth):
        inner = self.vector(depth - 1)
        if self.chance(0.25):
            name = self.rand.choice(TRANSCENDENT)
            return Node(name, "vector", name + "({0})", [inner], inner.labels)
        if self.chance(0.1):
            sign = self.pick("-", "-", "+")
            return Node("unary", "vector", sign + "({0})", [inner], inner.labels)
        name, count = self.rand.choice(sorted(MATH.items()))
        if name == "round" and self.chance(0.5):
            count = 0
        scalars = [self.scalar(depth - 1) for _ in range(count)]
        holes = "".join(", {%d}" % (at + 1) for at in range(count))
        return Node(name, "vector", f"{name}({{0}}{holes})", [inner, *scalars], inner.labels)

    def of_labels(self, depth):
        inner = self.vector(depth - 1)
        if self.chance(0.3):
            target = self.pick("both", "job", "instance", "x")
            sources = self.pick('"job", "instance"', '"job"', '"none", "job"', '"__name__", "code"')
            separator = self.pick("-", "", "/")
            return Node("label_join", "vector", f'label_join({{0}}, "{target}", "{separator}", {sources})', [inner], inner.labels)
        target = self.pick("x", "job", "instance", "__name__", "code")
        value = self.pick("$1", "$1-$2", "fix", "", "${1}z", "$0", "$name", "$$1")
        source = self.pick("instance", "job", "__name__", "none", "code")
        pattern = self.pick("(.*)", "(.)(.*)", "a|b", "x(.*)", "(.+)", "", "(?P<name>[a-b])", "(.*)_total")
        text = f'label_replace({{0}}, "{target}", "{escape(value)}", "{source}", "{escape(pattern)}")'
        return Node("label_replace", "vector", text, [inner], inner.labels)

    def of_native(self, depth):
        """What takes native histograms apart."""
        inner = self.selector(self.rand.choice(data.NATIVE))
        if self.chance(0.5):
            name = self.pick("rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time", "last_over_time")
            matrix = self.matrix(1, self.rand.choice(data.NATIVE))
            inner = Node(name, "vector", name + "({0})", [matrix], matrix.labels)
        if self.chance(0.3):
            clause, labels = self.grouping(inner.labels)
            name = self.pick("sum", "avg")
            inner = Node(name, "vector", f"{name}{clause}({{0}})", [inner], labels)
        if self.chance(0.2):
            scalar = self.scalar(1)
            op = self.pick("*", "/", "+", "==")
            inner = Node(op, "vector", f"({{0}}) {op} ({{1}})", [inner, scalar], inner.labels)
        if self.chance(0.2):
            op = self.pick("+", "-", "==", "!=")
            inner = Node(op, "vector", f"({{0}}) {op} ({{1}})", [inner, inner], inner.labels)
        dice = self.rand.randrange(10)
        if dice == 0:
            return inner
        if dice < 4:
            return Node("histogram_quantile", "vector", "histogram_quantile({0}, {1})", [self.quantile(depth), inner], inner.labels)
        if dice == 4:
            bounds = self.pick("0, 1", "0.2, 0.7", "-1, 100", "1, 0", "-Inf, Inf", "0.5, +Inf")
            return Node("histogram_fraction", "vector", f"histogram_fraction({bounds}, {{0}})", [inner], inner.labels)
        name = self.pick("histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar")
        return Node(name, "vector", name + "({0})", [inner], inner.labels)

    def of_histogram(self, depth):
        if self.modern and self.chance(0.6):
            return self.of_native(depth)
        metric = self.rand.choice(data.HISTOGRAMS) + "_bucket"
        dice = self.rand.random()
        if dice < 0.12:
            inner = self.vector(depth - 1)  # whatever
        else:
            inner = self.selector(metric)
            if self.chance(0.6):
                matrix = self.matrix(1, metric)
                inner = Node("rate", "vector", self.pick("rate", "increase") + "({0})", [matrix], matrix.labels)
            if self.chance(0.5):
                inner = Node("sum", "vector", "sum by (" + self.pick("le", "le, job", "le, instance") + ") ({0})", [inner], {"le"})
        if self.modern and self.chance(0.2):
            bounds = self.pick("0, 1", "0.2, 0.7", "-1, 100", "1, 0", "-Inf, Inf", "0.5, +Inf")
            return Node("histogram_fraction", "vector", f"histogram_fraction({bounds}, {{0}})", [inner], {"job", "instance"})
        if self.modern and self.chance(0.1):
            return Node("histogram_quantiles", "vector", 'histogram_quantiles({0}, "q", 0.5, 0.9, 1)', [inner], {"job", "instance"})
        return Node("histogram_quantile", "vector", "histogram_quantile({0}, {1})", [self.quantile(depth), inner], {"job", "instance"})

    def other(self, depth):
        dice = self.rand.randrange(8)
        if dice == 0:
            return Node("vector", "vector", "vector({0})", [self.scalar(depth - 1)])
        if dice == 1:
            name = self.rand.choice(CALENDAR)
            if self.chance(0.3):
                return Node(name, "vector", name + "()")
            return Node(name, "vector", name + "({0})", [self.vector(depth - 1)])
        if dice == 2:
            return Node("absent", "vector", "absent({0})", [self.vector(depth - 1)])
        if dice == 3:
            return Node("timestamp", "vector", "timestamp({0})", [self.vector(self.pick(0, depth - 1))], {"job", "instance"})
        if dice == 4 and self.modern:
            inner = self.vector(depth - 1)
            name = self.pick("sort_by_label", "sort_by_label_desc")
            text = name + "({0}, " + self.pick('"job"', '"instance", "job"', '"none"') + ")"
            return Node(name, "vector", text, [inner], inner.labels)
        if dice == 5 and self.modern:
            inner = self.vector(depth - 1)
            selector = self.pick("", ', {{region="ra"}}', ', {{__name__="lab_info"}}', ', {{region=~".*"}}', ', {{extra!="x"}}')
            return Node("info", "vector", "info({0}" + selector + ")", [inner], inner.labels)
        inner = self.vector(depth - 1)
        name = self.pick("sort", "sort_desc")
        return Node(name, "vector", name + "({0})", [inner], inner.labels)

    def query(self):
        dice = self.rand.random()
        if dice < 0.03:
            return self.scalar(self.rand.randrange(1, 4))
        if dice < 0.05:
            return self.matrix(self.rand.randrange(1, 4))
        return self.vector(self.rand.choice((1, 2, 2, 3, 3, 4)))
