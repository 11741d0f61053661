"""Draws lines over time as SVG."""

GREY = "#888"


class Picture:
    """One plot of `width` × `height`: x runs to `end`, y to `top`."""

    def __init__(self, title, end, top, height=260, left=56, right=12, above=30, below=36):
        self.width, self.height = 720, height
        self.left, self.right, self.above, self.below = left, right, above, below
        self.end, self.top = end, top
        self.lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" '
                      'font-family="sans-serif" font-size="12">',
                      f'<rect width="{self.width}" height="{height}" fill="#fff"/>']
        self.text(left, 18, title)

    def x(self, value):
        return self.left + value / self.end * (self.width - self.left - self.right)

    def y(self, value, top=None):
        return (self.height - self.below
                - value / (top or self.top) * (self.height - self.below - self.above))

    def text(self, x, y, text, anchor="start", colour=None):
        fill = f' fill="{colour}"' if colour else ""
        self.lines.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{text}</text>')

    def across(self, value, label, is_dashed=False):
        """A thin line at a value of y, with its label at the left."""
        height = self.y(value)
        self._thin(self.left, self.width - self.right, height, height, is_dashed)
        self.text(self.left - 6, height + 4, label, "end")

    def upright(self, value):
        """A thin dashed line at a value of x."""
        self._thin(self.x(value), self.x(value), self.above, self.height - self.below, True)

    def _thin(self, x1, x2, y1, y2, is_dashed):
        dashes = ' stroke-dasharray="4 3"' if is_dashed else ""
        self.lines.append(f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" '
                          f'stroke="{GREY}" stroke-width="0.5"{dashes}/>')

    def below_axis(self, value, label):
        """The label of a value of x."""
        self.text(self.x(value), self.height - 14, label, "middle")

    def curve(self, points, colour, top=None, stroke=1.2):
        line = " ".join(f"{self.x(x):.1f},{self.y(y, top):.1f}" for x, y in points)
        self.lines.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{stroke}"/>')

    def area(self, outline, colour):
        text = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in outline)
        self.lines.append(f'<polygon points="{text}" fill="{colour}"/>')

    def legend(self, entries, y):
        """Names in their colours, the last one at the right edge."""
        place = self.width - self.right
        for name, colour in reversed(entries):
            self.text(place, y, name, "end", colour)
            place -= 7 * len(name) + 14

    def svg(self):
        return "\n".join([*self.lines, "</svg>"]) + "\n"


def round_top(value):
    """The next number of the kind 1, 2, 4, 8 × 10ⁿ, so that quarters of it are short."""
    power = 1
    while power * 10 < value:
        power *= 10
    return next((power * step for step in (1, 2, 4, 8) if power * step >= value), power * 10)


def thinned(points, end, most):
    """At most so many points over the whole width, each the greatest of its stretch."""
    stretches = {}
    for point in points:
        place = min(most - 1, int(point[0] / end * most))
        if place not in stretches or point[1] > stretches[place][1]:
            stretches[place] = point
    return [stretches[place] for place in sorted(stretches)]
