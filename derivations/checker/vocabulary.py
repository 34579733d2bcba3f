"""Vocabulary of the formulas: the LaTeX commands, brackets and kinds of symbols they may use."""

KINDS = ("integer", "sequence", "function", "real", "positive", "fraction")
RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">="}
ACCENTS = (r"\bar", r"\tilde", r"\hat")
ONE_ARGUMENT = {r"\log": "log", r"\exp": "exp", r"\sin": "sin", r"\cos": "cos"}
TWO_ARGUMENTS = {r"\min": "min", r"\max": "max"}
FRACTIONS = (r"\frac", r"\tfrac", r"\dfrac")
STOPS = (
    r"\mid",
    r"\|",
    r"\cdot",
    r"\times",
    r"\rVert",
    r"\rvert",
    r"\rfloor",
    r"\mathrm{d}",
    *RELATIONS,
)
GREEK = frozenset(
    rf"\{name}"
    for name in (
        *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "eta", "theta", "kappa"),
        *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
        *("zeta", "ell", "Gamma", "Delta", "Lambda", "Phi", "Omega"),
    )
)
BRACKETS = {
    **{"(": ")", "[": "]", "{": "}"},
    **{r"\lVert": r"\rVert", r"\lvert": r"\rvert", r"\lfloor": r"\rfloor"},
}
