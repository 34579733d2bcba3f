"""Words that this project no longer uses, and what to write instead: see docs/writing.md."""

import re
from collections.abc import Iterator

# Whole words, in any case. A word that is right in some places is listed with its context only.
WORDS = {
    r"guess(es|ed|ing)?": "prediction",
    r"one-shot": "one-step",
    r"ladders?": "timestep spacing",
    r"(?<!grey\s)(?<!significance\s)(?<!noise\s)levels?": "timestep, resolution or grey level",
    r"laws?": "distribution",
    r"with(held|holds?)": "dropped",
    r"told": "conditioned on",
    r"visit(s|ed)?": "preview",
    r"sheets?": "denoising grid",
    r"trainees?": "train state",
    r"led on": "extrapolated",
    r"let in": "admitted",
    r"slips?|planted": "mutation, or injected fault",
    r"turns? (it )?red": "fails",
    r"look-?alikes?": "benign variant",
    r"held against": "compared with",
    r"tenths": "deciles",
    r"real numbers": "continuous-valued",
    r"goes on|takes? up": "resumes",
    r"way out": "remedy",
    r"octaves?": "frequencies",
    r"where (none|nothing) (is|are) \w+": "default: ...",
    r"(?<!there\s)is no": "is not a",
    r"nobody|somebody": "say who, or what happens",
}


def homemade(text: str) -> Iterator[str]:
    """Yield a message for each of the words in the text; text in backticks is skipped."""
    prose = re.sub(r"\n +", "\n", re.sub(r"`[^`\n]*`", "` `", text))
    for word, instead in WORDS.items():
        pattern = word.replace(" ", r"\s+")  # lines may break between two words
        for found in re.finditer(rf"(?<![\w-])(?:{pattern})(?![\w-])", prose, re.I):
            line, what = prose.count("\n", 0, found.start()) + 1, " ".join(found[0].split())
            yield f"line {line}: {what!r}: write {instead}"
