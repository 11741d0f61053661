"""Whether two engines give the same answers."""

import numpy


def compare(ours, theirs, items=None, users=None):
    """The greatest difference of two files of answers over the rows that both have, and a text.

    Scores are compared as they are, 0 meaning equal bits; of item numbers (`items` given) the
    scores in double precision, since two items may score the same.
    """
    ours, theirs = numpy.load(ours), numpy.load(theirs)
    count = min(len(ours), len(theirs))
    ours, theirs = ours[:count], theirs[:count]
    if items is not None:
        return compare_items(ours, theirs, numpy.load(items), numpy.load(users)[:count])
    ours, theirs = (array.reshape(count, -1) for array in (ours, theirs))
    if ours.shape != theirs.shape:
        # Two classes against the probability of the second one.
        ours, theirs = ours[:, -1:], theirs[:, -1:]
    ours, theirs = ours.astype(float), theirs.astype(float)
    same = (ours.view(numpy.uint64) == theirs.view(numpy.uint64)).all(axis=1)
    if same.all():
        return 0.0, f"equal bits, {count:,} rows"
    with numpy.errstate(invalid="ignore"):
        difference = numpy.abs(ours - theirs)
    difference[(ours == theirs) | (numpy.isnan(ours) & numpy.isnan(theirs))] = 0
    greatest = float(numpy.nan_to_num(difference, nan=numpy.inf).max())
    return greatest or 5e-324, f"max difference {greatest:.2g}, {same.mean():.1%} of {count:,} " \
        "rows equal"


def compare_items(ours, theirs, items, users):
    """Differences of the scores of the chosen items; each row must have its items only once."""
    k = theirs.shape[1]
    ours, theirs = ours[:, :k].astype(numpy.int64), theirs.astype(numpy.int64)
    if any((numpy.diff(numpy.sort(rows, axis=1)) == 0).any() for rows in (ours, theirs)):
        return numpy.inf, "an item is named twice"
    items = items.astype(float)
    greatest = 0.0
    for start in range(0, len(ours), 4096):
        block = users[start:start + 4096].astype(float)
        scores = [numpy.einsum("uf,ukf->uk", block, items[rows[start:start + 4096]])
                  for rows in (ours, theirs)]
        greatest = max(greatest, float(numpy.abs(scores[0] - scores[1]).max()))
    same = (ours == theirs).all(axis=1).mean()
    return greatest, f"scores within {greatest:.2g}, {same:.2%} of {len(ours):,} rows with the " \
        "same items"
