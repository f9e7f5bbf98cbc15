#pragma once

#include <string>
#include <utility>
#include <vector>

namespace swarm::tools {

/// A line in a plot. Points that are not finite break the line.
struct plot_series {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool dashed = false;
};

/// A vertical mark, e.g. "peer 3 killed".
struct plot_event {
  double x = 0;
  std::string label;
};

struct plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<plot_series> series;
  std::vector<plot_event> events;
};

/// Points drawn per series; a longer one is thinned to the smallest and largest of each bucket.
inline constexpr size_t plot_points_max = 2000;

/// A self-contained SVG document, 800 x 450, readable on light and on dark backgrounds: the page's
/// preference picks the colours. Labels are escaped.
std::string to_svg(const plot& drawing);

/// About `count` round numbers that cover [low, high]: 1, 2 or 5 times a power of ten apart.
std::vector<double> axis_ticks(double low, double high, int count);

}  // namespace swarm::tools
